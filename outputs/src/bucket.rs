//! How an artifact becomes an object of a bucket: under a key that is its own, once, and as whole as it is here.

use super::Stored;
use super::digests::Digests;
use super::error::OutputError;
use super::key::numbered;
use super::place::Place;
use super::source::Source;

/// Several artifacts of one pod can have the same name within a second.
const SAME_NAME_MAX: u32 = 100;

/// A storage that has buckets.
pub(crate) trait Bucket {
    /// What is there under this name.
    async fn look(&self, name: &str) -> Result<Looked, OutputError>;

    /// Put the artifact there under this name, unless there is something already.
    async fn upload(&self, name: &str, digests: &Digests) -> Result<Uploaded, OutputError>;

    /// Host and port, or what it is called.
    fn server(&self) -> &str;
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Looked {
    Nothing,
    Object {
        bytes: u64,
        /// As who has put it there says.
        sha256: Option<String>,
    },
    /// It is not for us to know.
    Unknown,
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploaded {
    /// The server has told of it what we know of it.
    Whole,
    /// The server has taken it, and not said what it has.
    Taken,
    /// There is another object.
    InUse,
}

/// Store an artifact. What an attempt before has stored is not stored again, and no other object is replaced.
pub(crate) async fn store(
    bucket: &impl Bucket,
    place: &Place,
    key: &str,
    source: &Source,
) -> Result<Stored, OutputError> {
    let digests = source.digests().await?;
    for number in 1..=SAME_NAME_MAX {
        let key = numbered(key, number);
        let name = format!("{}{key}", place.prefix);
        let stored = || Ok(place.stored(&source.name, &key, &digests));
        match bucket.look(&name).await? {
            Looked::Object { bytes, sha256 } if is_ours(bytes, sha256.as_deref(), source, &digests) => return stored(),
            Looked::Object { .. } => continue,
            Looked::Nothing | Looked::Unknown => {}
        }
        match bucket.upload(&name, &digests).await? {
            Uploaded::Whole => return stored(),
            Uploaded::Taken => return check(bucket, &name, source, &digests).await.and_then(|()| stored()),
            Uploaded::InUse => match bucket.look(&name).await? {
                Looked::Object { bytes, sha256 } if is_ours(bytes, sha256.as_deref(), source, &digests) => {
                    return stored();
                }
                _ => {}
            },
        }
    }
    Err(OutputError::Taken(key.to_owned()))
}

fn is_ours(bytes: u64, sha256: Option<&str>, source: &Source, digests: &Digests) -> bool {
    bytes == source.bytes && sha256 == Some(&digests.sha256)
}

/// Whether what is there is what was sent.
async fn check(bucket: &impl Bucket, name: &str, source: &Source, digests: &Digests) -> Result<(), OutputError> {
    let difference = match bucket.look(name).await? {
        Looked::Object { bytes, sha256 } if is_ours(bytes, sha256.as_deref(), source, digests) => return Ok(()),
        // Who may write, and not read, has nothing but the server's word.
        Looked::Unknown => return Ok(()),
        Looked::Object { bytes, .. } if bytes != source.bytes => format!("{bytes} bytes, not {}", source.bytes),
        Looked::Object { .. } => "its digest".to_owned(),
        Looked::Nothing => "there is none".to_owned(),
    };
    Err(OutputError::Different { server: bucket.server().to_owned(), name: name.to_owned(), difference })
}
