//! How an end is said to a person: the words of a status and its colour, the names of objects, and how often.

use std::borrow::Cow;

use crate::notice::Notice;

/// What a status means where the word alone does not say whether anything was changed.
pub(crate) fn meaning(status: &str) -> Option<&'static str> {
    Some(match status {
        "ignored" => "nothing had to be done",
        "denied" => "the policy does not allow it",
        "unknown" => "it may or may not have been carried out",
        "dropped" => "it was not carried out, since newer events took its place",
        "superseded" => "it was not carried out, since the rules or the policy have changed",
        "expired" => "it was not carried out, since its event is too old",
        "dry_run" => "nothing was changed",
        _ => return None,
    })
}

/// The colour of a status.
pub(crate) fn colour(status: &str) -> &'static str {
    match status {
        "success" => "#23ba47",
        "failure" => "#e20b0b",
        "denied" | "unknown" | "dropped" | "expired" => "#e8912d",
        "ignored" | "superseded" => "#a4a8b1",
        "dry_run" => "#2d7de8",
        _ => "#858585",
    }
}

/// Whether somebody should look.
pub(crate) fn is_warning(status: &str) -> bool {
    !matches!(status, "success" | "ignored" | "superseded" | "dry_run")
}

/// The key of an object as notifications have it: each word begins with a capital.
pub(crate) fn title(key: &str) -> String {
    let mut is_first = true;
    let mut title = String::new();
    for char in key.chars() {
        if is_first {
            title.extend(char.to_uppercase());
        } else {
            title.push(char);
        }
        is_first = !(char.is_alphanumeric() || char == '_');
    }
    title
}

impl Notice {
    /// The status, and what it means.
    pub(crate) fn status_text(&self) -> Cow<'_, str> {
        match meaning(&self.status) {
            Some(meaning) => Cow::Owned(format!("{}: {meaning}", self.status)),
            None => Cow::Borrowed(&self.status),
        }
    }

    /// How many it stands for, and what the first of them are about; nothing where it stands for itself.
    pub(crate) fn group_text(&self) -> Option<String> {
        let group = self.group.as_ref()?;
        let mut text = format!("{} times until {}", group.count, group.last);
        if !group.targets.is_empty() {
            let is_more = group.count > group.targets.len() as u64;
            text += &format!("; the first: {}{}", group.targets.join(", "), if is_more { ", …" } else { "" });
        }
        Some(text)
    }

    /// The name of one of its objects, unless it is empty.
    pub fn object(&self, kind: &str) -> Option<&str> {
        self.objects.get(kind).map(String::as_str).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_capitals_as_in_the_original() {
        for (key, expected) in [
            ("namespace", "Namespace"),
            ("function_response_status", "Function_response_status"),
            ("a-b", "A-B"),
            ("Éa b", "Éa B"),
            ("", ""),
        ] {
            assert_eq!(title(key), expected);
        }
    }
}
