//! What is secret of what is sent, which is not to be said when it comes back in the words of a server.
//!
//! A server that refuses a header, an address or a password may name a part of it, or the form in which it was sent.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::Secret;
use url::Url;

/// What is shorter is in every text.
const BYTES_MIN: usize = 4;

/// Texts that are not said.
#[derive(Default)]
pub(super) struct Hidden(Vec<Secret>);

impl Hidden {
    /// The value of a header, and each word of it.
    pub(super) fn header(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        self.add([value]);
        self.add(words.clone());
        if words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
            && let Some(Ok(credentials)) = words.next().map(|word| STANDARD.decode(word))
            && let Ok(credentials) = String::from_utf8(credentials)
        {
            let (user, password) = credentials.split_once(':').unwrap_or_default();
            self.credentials(user, password);
        }
    }

    /// A password, and what is sent of it: by HTTP, and by the two ways of mail.
    pub(super) fn credentials(&mut self, user: &str, password: &str) {
        let [basic, plain] =
            [format!("{user}:{password}"), format!("\0{user}\0{password}")].map(|it| STANDARD.encode(it));
        self.add([password, &STANDARD.encode(password), &basic, &plain]);
    }

    /// An address, and whatever of it can be a secret.
    pub(super) fn address(&mut self, text: &str, url: &Url) {
        self.add([text, url.as_str(), url.path(), url.query().unwrap_or_default()]);
        let query = url.query().into_iter().flat_map(|query| query.split('&'));
        let values = query.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        for part in url.path().split('/').chain(values) {
            self.add([part, &decoded(part)]);
        }
        self.add(url.query_pairs().map(|(_, value)| value));
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        self.add([user, &decoded(user), password]);
        self.credentials(&decoded(user), &decoded(password));
    }

    /// The text without any of these.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut secrets: Vec<&str> = self.0.iter().map(Secret::expose).filter(|it| it.len() >= BYTES_MIN).collect();
        // One that is part of another would leave the rest of that one.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    fn add(&mut self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        self.0.extend(texts.into_iter().map(|text| Secret::new(text.as_ref())));
    }
}

/// A part of an address as it is meant.
fn decoded(part: &str) -> String {
    let value = format!("={}", part.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(value.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_is_said() {
        let text = "https://me+1:pass%21word@h/services/T0/pathkey7?k=top%2Fkey77&b=x";
        let mut hidden = Hidden::default();
        hidden.address(text, &Url::parse(text).unwrap());
        hidden.header("Bearer  headertoken");
        hidden.header("Basic dTpodW50ZXIy");
        hidden.credentials("me", "hunter3");
        for said in [
            text,
            "me+1",
            "pass%21word",
            "pass!word",
            "bWUrMTpwYXNzIXdvcmQ=",
            "pathkey7",
            "top%2Fkey77",
            "top/key77",
            "headertoken",
            "dTpodW50ZXIy",
            "hunter2",
            "hunter3",
            "bWU6aHVudGVyMw==",
            "AG1lAGh1bnRlcjM=",
            "aHVudGVyMw==",
        ] {
            assert_eq!(hidden.hide(&format!("bad '{said}'")), "bad '…'", "{said}");
        }
        assert_eq!(hidden.hide("b is x at h"), "b is x at h");
    }

    #[test]
    fn one_that_begins_another_leaves_nothing_of_it() {
        let mut hidden = Hidden::default();
        hidden.add(["abcd", "abcdefgh"]);
        assert_eq!(hidden.hide("abcdefgh, abcd"), "…, …");
    }
}
