//! Reads the body of a request or of an answer, and never more of it than is allowed.
//!
//! Does not know whose body it is, nor until when it may take: who reads it sets a deadline.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyError<E> {
    /// It is longer than this, or says that it will be.
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// It broke off.
    Broken(E),
}

/// The whole of `body`, up to `bytes_max`. Nothing is read where more than that is announced.
///
/// Pieces are joined as they come: a list of them (as `collect` makes one) would cost a sender of
/// single bytes little, and the host many times the limit.
///
/// # Errors
///
/// Where the body is too large, or its connection fails.
pub(crate) async fn read<B>(body: B, bytes_max: usize) -> Result<Bytes, BodyError<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let mut body = Limited::new(body, bytes_max);
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.downcast() {
            Ok(error) => BodyError::Broken(*error),
            // What is not an error of the body is one of its limit.
            Err(_) => BodyError::TooLarge { bytes_max },
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        // Most bodies come in one piece, which need not be copied.
        if first.is_empty() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    async fn read_pieces(pieces: &[Result<&'static str, &'static str>], bytes_max: usize) -> String {
        let frame = |piece: &Result<&'static str, &'static str>| match *piece {
            Ok(data) => Ok(Frame::data(Bytes::from_static(data.as_bytes()))),
            Err(error) => Err(io::Error::other(error)),
        };
        let frames: Vec<_> = pieces.iter().map(frame).collect();
        match read(StreamBody::new(stream::iter(frames)), bytes_max).await {
            Ok(bytes) => String::from_utf8(bytes.into()).unwrap(),
            Err(BodyError::TooLarge { bytes_max }) => format!("more than {bytes_max}"),
            Err(BodyError::Broken(error)) => format!("broken: {error}"),
        }
    }

    #[tokio::test]
    async fn reads_up_to_the_limit() {
        let check = async |pieces, expected| assert_eq!(read_pieces(pieces, 6).await, expected, "{pieces:?}");
        check(&[], "").await;
        check(&[Ok("abcdef")], "abcdef").await;
        check(&[Ok("abcdefg")], "more than 6").await;
        check(&[Ok(""), Ok("ab"), Ok(""), Ok("cd"), Ok("ef")], "abcdef").await;
        check(&[Ok("abc"), Ok("def"), Ok("g")], "more than 6").await;
        check(&[Ok("abc"), Err("reset")], "broken: reset").await;
        check(&[Ok("abc"), Ok("defg"), Err("reset")], "more than 6").await;
    }

    #[tokio::test]
    async fn does_not_copy_a_body_of_one_piece() {
        let sent = Bytes::from(vec![b'x'; 100]);
        let read = read(Full::new(sent.clone()), 100).await.unwrap();
        assert_eq!(read.as_ptr(), sent.as_ptr());
    }

    #[tokio::test]
    async fn reads_nothing_of_what_is_announced_to_be_too_large() {
        let mut body = Full::new(Bytes::from_static(b"abcdefg"));
        assert!(matches!(read(&mut body, 6).await, Err(BodyError::TooLarge { bytes_max: 6 })));
        assert_eq!(body.size_hint().exact(), Some(7));
    }
}
