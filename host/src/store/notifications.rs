//! What a store says and hears of notifications.

use super::Store;
use super::change::Change;
use super::error::Closed;
use super::notification::{self, Equal, Notification, Told, Waiting};

impl Store {
    /// Keep these until they are told.
    pub fn notify(&self, notifications: Vec<Notification>) {
        self.change(Change::Notify(notifications));
    }

    /// They need not be kept any longer. Ready once that is stored: until then they are read as if they waited.
    pub fn told(&self, told: Told) -> impl Future<Output = Result<(), Closed>> + Send + use<> {
        self.change_written(Change::Told(told), false)
    }

    /// The first ones that wait for a notifier, in their order.
    ///
    /// # Errors
    ///
    /// Where they can't be read now.
    pub async fn first_notifications(&self, notifier: &'static str, count: usize) -> Result<Vec<Waiting>, String> {
        let clock = self.0.clock;
        self.read(move |connection| notification::first(connection, &clock, notifier, count)).await
    }

    /// All that wait for a notifier and are told as one.
    ///
    /// # Errors
    ///
    /// Where they can't be read now.
    pub async fn equal_notifications(&self, notifier: &'static str, key: String) -> Result<Equal, String> {
        self.read(move |connection| notification::equal(connection, notifier, &key)).await
    }
}
