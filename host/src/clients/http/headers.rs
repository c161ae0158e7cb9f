//! The headers that the policy adds to what an actionner sends: secrets, which it never sees.
//!
//! Those that lie in files are read again every few seconds while requests are sent, and at once where one was refused.
//! Where one can't be read any more, the last value stays.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, HeaderValue};
use policy::{Grants, HeaderSource};
use tokio::task::spawn_blocking;

use crate::clients::looks::Looks;
use crate::clients::secrets::secret;

/// A header that the policy keeps can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the header `{header}` for {url}: {reason}")]
pub struct SecretError {
    /// Its name.
    pub header: String,
    /// The address of its grant.
    pub url: String,
    /// What is wrong with its source; never its value.
    pub reason: String,
}

/// The headers of each grant.
pub(super) struct Kept {
    /// In the order of the policy. Their values are marked as secrets.
    current: ArcSwap<Vec<HeaderMap>>,
    files: Arc<[InFile]>,
    looks: Looks,
}

/// One whose value lies in a file.
struct InFile {
    grant: usize,
    name: String,
    source: HeaderSource,
}

impl Kept {
    /// Those that these grants name.
    ///
    /// # Errors
    ///
    /// Every header whose source is missing.
    pub(super) fn new(grants: &Grants, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<SecretError>> {
        let (mut headers, mut files, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (at, grant) in grants.granted.http.iter().enumerate() {
            let mut of_grant = HeaderMap::new();
            for (name, source) in &grant.headers {
                match header(name, source, &environment) {
                    Ok((name, value)) => drop(of_grant.insert(name, value)),
                    Err(reason) => {
                        errors.push(SecretError { header: name.clone(), url: grant.url.to_string(), reason });
                    }
                }
                if matches!(source, HeaderSource::File(_)) {
                    files.push(InFile { grant: at, name: name.clone(), source: source.clone() });
                }
            }
            headers.push(of_grant);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { current: ArcSwap::from_pointee(headers), files: files.into(), looks: Looks::new() })
    }

    /// Add those of a grant. They count more than those of the same name.
    pub(super) fn add(&self, grant: Option<usize>, headers: &mut HeaderMap) {
        let current = self.current.load();
        for (name, value) in grant.and_then(|grant| current.get(grant)).into_iter().flatten() {
            headers.insert(name, value.clone());
        }
    }

    /// Read them again where it is time to.
    pub(super) async fn look(&self) {
        if !self.files.is_empty() && self.looks.is_due() {
            self.read().await;
        }
    }

    /// Read them again, and say whether those of this grant are others than before.
    pub(super) async fn has_changed(&self, grant: Option<usize>) -> bool {
        let Some(grant) = grant.filter(|grant| self.files.iter().any(|file| file.grant == *grant)) else {
            return false;
        };
        let before = self.current.load_full();
        self.read().await;
        before.get(grant) != self.current.load().get(grant)
    }

    async fn read(&self) {
        let files = Arc::clone(&self.files);
        let read = spawn_blocking(move || {
            let read = |file: &InFile| Some((file.grant, header(&file.name, &file.source, &|_: &str| None).ok()?));
            files.iter().filter_map(read).collect::<Vec<_>>()
        });
        let mut headers = Vec::clone(&self.current.load());
        for (grant, (name, value)) in read.await.unwrap_or_default() {
            if let Some(of_grant) = headers.get_mut(grant) {
                of_grant.insert(name, value);
            }
        }
        self.current.store(Arc::new(headers));
    }
}

fn header(
    name: &str,
    source: &HeaderSource,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(HeaderName, HeaderValue), String> {
    let text = secret(source, environment)?;
    let name: HeaderName = name.parse().map_err(|_| "this is not the name of a header".to_owned())?;
    let value = HeaderValue::from_str(text.expose());
    let mut value = value.map_err(|_| format!("what {source} holds can't be sent: control characters"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use http::StatusCode;
    use policy::{Limits, Method, WebAddress};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::super::HttpRequest;
    use super::*;
    use crate::clients::Meter;
    use crate::clients::looks::LOOK_EVERY;

    #[test]
    fn secrets_are_read_where_they_are_and_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        let read = |source: HeaderSource| header("X-Token", &source, &environment).map(|(_, value)| value);
        std::fs::write(&path, "from a file\r\n").unwrap();
        assert_eq!(read(HeaderSource::File(path.clone())).unwrap(), "from a file");
        let value = read(HeaderSource::Env("TOKEN".to_owned())).unwrap();
        assert_eq!((value.to_str().unwrap(), value.is_sensitive()), ("s3cret", true));
        let error = read(HeaderSource::Env("OTHER".to_owned())).unwrap_err();
        assert_eq!(error, "the environment variable OTHER is not set");
        std::fs::write(&path, "two\nlines\n").unwrap();
        let error = read(HeaderSource::File(path)).unwrap_err();
        assert!(error.contains("control characters") && !error.contains("lines"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_in_files_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("one\n");
        let in_file = InFile { grant: 0, name: "x-token".to_owned(), source: HeaderSource::File(path.clone()) };
        let kept = Kept {
            current: ArcSwap::from_pointee(vec![HeaderMap::new()]),
            files: Arc::new([in_file]),
            looks: Looks::new(),
        };
        let sent = || {
            let mut headers = HeaderMap::new();
            kept.add(Some(0), &mut headers);
            headers.get("x-token").map(|value| value.to_str().unwrap().to_owned())
        };
        tokio::time::advance(LOOK_EVERY).await;
        kept.look().await;
        assert_eq!(sent().as_deref(), Some("one"));
        write("two\n");
        kept.look().await;
        assert_eq!(sent().as_deref(), Some("one"), "it is not looked at for each request");
        assert!(kept.has_changed(Some(0)).await && !kept.has_changed(Some(0)).await && !kept.has_changed(None).await);
        assert_eq!(sent().as_deref(), Some("two"));
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        kept.look().await;
        assert_eq!(sent().as_deref(), Some("two"), "the last one stays");
    }

    /// What was refused for a secret that is another one by now was not carried out, and is sent again.
    #[tokio::test]
    async fn what_was_refused_is_sent_again_with_what_is_in_the_file_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let source = HeaderSource::File(path.clone());
        let (name, value) = header("x-token", &source, &|_: &str| None).unwrap();
        let kept = Kept {
            current: ArcSwap::from_pointee(vec![HeaderMap::from_iter([(name, value)])]),
            files: Arc::new([InFile { grant: 0, name: "x-token".to_owned(), source }]),
            looks: Looks::new(),
        };
        let client = super::super::HttpClient { client: super::super::client().unwrap(), kept };
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let url = serve(seen.clone()).await;
        let send = async || {
            let permit =
                Meter::new(&Limits::default()).permit(Instant::now() + Duration::from_secs(10), false, Arc::default());
            let request = HttpRequest {
                grant: Some(0),
                method: Method::Post,
                url: &url,
                headers: HeaderMap::new(),
                body: b"body".to_vec(),
                bytes_max: 1_000,
            };
            client.write(request, &permit).await.unwrap().into_result().unwrap().status
        };
        assert_eq!(send().await, 401, "there is no other one");
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(send().await, 200);
        assert_eq!(*seen.lock().unwrap(), ["one body", "one body", "two body"]);
    }

    /// A server that knows the token `two`.
    async fn serve(seen: Arc<Mutex<Vec<String>>>) -> WebAddress {
        let answer = async move |headers: HeaderMap, body: String| {
            let token = headers["x-token"].to_str().unwrap().to_owned();
            seen.lock().unwrap().push(format!("{token} {body}"));
            if token == "two" { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let service = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, service).await });
        WebAddress::parse(&url).unwrap()
    }
}
