//! Media types as guests name them: each becomes a header, or metadata of an object.

/// More than any registered type has.
const MEDIA_TYPE_BYTES_MAX: usize = 127;

/// As it stands in a header.
pub(super) fn check_media_type(media_type: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        let mut bytes = word.bytes();
        !word.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
    let printable = parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !is_type || !printable || media_type.len() > MEDIA_TYPE_BYTES_MAX {
        return Err("a media type is written as `text/plain`".to_owned());
    }
    Ok(())
}
