//! The side of the operator.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{ANSWER_BYTES_MAX, Answer, EXCHANGE_MAX, Request, socket_of};

/// Why a host that listens has not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The socket can't be used.
    #[error("the host does not answer at '{}': {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It says what this version does not know.
    #[error("the host answers what this version does not understand: {0}")]
    Answer(#[from] serde_json::Error),
}

/// Ask the host that has the store in `data_dir`; none where no host listens there.
///
/// # Errors
///
/// Where it listens and does not answer.
pub(crate) async fn ask(data_dir: &Path, request: Request) -> Result<Option<Answer>, AskError> {
    let path = socket_of(data_dir);
    let mut stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(AskError::Io { path, error }),
    };
    let line = serde_json::to_string(&request)? + "\n";
    let exchange = async {
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_line(&mut answer).await?;
        Ok(answer)
    };
    // It may be busy with another one first.
    let answer = timeout(2 * EXCHANGE_MAX, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let answer = answer.map_err(|error| AskError::Io { path, error })?;
    Ok(Some(serde_json::from_str(&answer)?))
}
