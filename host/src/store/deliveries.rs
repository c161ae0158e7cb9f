//! What a store says and hears of deliveries.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::Store;
use super::change::Change;
use super::delivery::{Delivered, Delivery, DeliveryId};
use super::due;
use super::entry::{EntryId, StepEnd};
use super::error::Closed;

impl Store {
    /// Where what is to be delivered lies until then; nowhere where the store is in memory.
    pub fn spool(&self) -> Option<&Path> {
        self.0.folder.as_ref().map(|folder| &*folder.spool)
    }

    /// The time by which the store measures ages, which nobody sets.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.clock.now_ms()).unwrap_or_default()
    }

    /// The step has ended, and leaves this to be delivered, whose bytes are safe. Both are stored or neither; ready
    /// once they are, so that the machine's end does not undo it.
    pub fn end_with(
        &self,
        id: EntryId,
        number: u32,
        end: StepEnd,
        deliveries: Vec<Delivery>,
    ) -> impl Future<Output = Result<(), Closed>> + Send + use<> {
        self.change_written(Change::End { id, number, end: Box::new(end), deliveries }, true)
    }

    /// An attempt at a delivery has ended, and `message` says how. Ready once it is stored.
    pub fn delivered(
        &self,
        id: DeliveryId,
        delivered: Delivered,
        message: &str,
    ) -> impl Future<Output = Result<(), Closed>> + Send + use<> {
        // What is attempted again may be attempted once more than is remembered.
        let is_over = !matches!(delivered, Delivered::Postponed(_));
        self.change_written(Change::Delivered { id, delivered, message: message.to_owned() }, is_over)
    }

    /// A delivery that is due; none where somebody has removed its event.
    ///
    /// # Errors
    ///
    /// Where it can't be read now.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, String> {
        self.read(move |connection| due::find(connection, id)).await
    }

    /// What lies in the spool and is wanted no more, since its event is forgotten. Said once.
    pub async fn unwanted_files(&self) -> Vec<String> {
        self.read(due::unwanted).await.unwrap_or_default()
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        self.ask_for(read).await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}
