//! What proves that an artifact is whole: computed of its bytes before they leave, compared with what is said of them
//! where they arrive.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use ring::digest::{Context, SHA256, digest};

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// The digests of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    /// SHA-256 of the whole, in hexadecimal digits.
    pub(crate) sha256: String,
    whole: Vec<u8>,
    /// SHA-256 of each part that it is sent in.
    parts: Vec<Vec<u8>>,
    crc32c: u32,
}

impl Digests {
    /// Of all that can be read, in parts of so many bytes. Blocks.
    ///
    /// # Errors
    ///
    /// Where it can't be read to its end.
    pub(crate) fn read(mut from: impl Read, part_bytes: u64) -> io::Result<Self> {
        let (mut whole, mut crc) = (Context::new(&SHA256), Crc::new(CrcAlgorithm::Crc32Iscsi));
        let (mut parts, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
        loop {
            let (mut part, mut bytes) = (Context::new(&SHA256), 0);
            let mut from = from.by_ref().take(part_bytes);
            loop {
                let count = match from.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read?,
                };
                if count == 0 {
                    break;
                }
                whole.update(&buffer[..count]);
                part.update(&buffer[..count]);
                crc.update(&buffer[..count]);
                bytes += count as u64;
            }
            if bytes > 0 {
                parts.push(part.finish().as_ref().to_vec());
            }
            if bytes < part_bytes {
                break;
            }
        }
        let whole = whole.finish().as_ref().to_vec();
        let sha256 = whole.iter().map(|byte| format!("{byte:02x}")).collect();
        // It has 32 bits.
        let crc32c = u32::try_from(crc.finalize()).unwrap_or_default();
        Ok(Self { sha256, whole, parts, crc32c })
    }

    /// SHA-256 of the whole, as S3 writes it.
    pub(crate) fn sha256_base64(&self) -> String {
        STANDARD.encode(&self.whole)
    }

    /// SHA-256 of a part, as S3 writes it.
    pub(crate) fn part_base64(&self, number: usize) -> String {
        self.parts.get(number).map(|part| STANDARD.encode(part)).unwrap_or_default()
    }

    /// What S3 says of an object that came in these parts: the digest of their digests, and how many they are.
    pub(crate) fn of_parts_base64(&self) -> String {
        format!("{}-{}", STANDARD.encode(digest(&SHA256, &self.parts.concat())), self.parts.len())
    }

    /// CRC-32C of the whole, as Google writes it.
    pub(crate) fn crc32c_base64(&self) -> String {
        STANDARD.encode(self.crc32c.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, part_bytes: u64, expected: [&str; 3]) {
        let digests = Digests::read(content.as_bytes(), part_bytes).unwrap();
        assert_eq!([&*digests.sha256, &digests.of_parts_base64(), &digests.crc32c_base64()], expected);
    }

    #[test]
    fn they_are_those_that_others_compute() {
        let sha256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
        check("123456789", 9, [sha256, "KSsNAHVmgy25S/rmic1w0at3KBH9RLn0nYVQ7p6mpJQ=-1", "4waSgw=="]);
        let digests = Digests::read(&b"123456789"[..], 4).unwrap();
        assert_eq!((digests.parts.len(), &*digests.sha256), (3, sha256));
        assert_eq!(digests.part_base64(2), STANDARD.encode(digest(&SHA256, b"9")));
    }
}
