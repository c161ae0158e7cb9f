//! The key of a store: for what is compared, and not to be read.

use ring::hmac;
use rusqlite::{Connection, OptionalExtension};

use super::error::OpenError;

/// The key of this store, made the first time.
pub(super) fn key(connection: &Connection) -> Result<hmac::Key, OpenError> {
    let sql = "SELECT value FROM meta WHERE name = 'key'";
    let found: Option<Vec<u8>> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    let bytes = match found {
        Some(bytes) => bytes,
        None => {
            let bytes: [u8; 32] = rand::random();
            connection.execute("INSERT INTO meta (name, value) VALUES ('key', ?1)", [&bytes[..]])?;
            bytes.to_vec()
        }
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}
