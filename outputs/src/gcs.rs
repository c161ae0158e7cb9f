//! `gcp:gcs`: Google Cloud Storage, by its JSON API and resumable uploads, as its documentation describes them.
//!
//! Not object_store: its uploads in parts know no conditions and can't be compared with what the server has. Nor
//! google-cloud-storage, which would bring gRPC, and find credentials in a second way. The object is there once the last
//! piece is, if it is as long as was said at the beginning and has the digest of then.

mod session;

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};

use super::bucket::{self, Bucket, Looked, Uploaded};
use super::digests::Digests;
use super::{OutputError, Place, Source, Stored};
use session::{Session, reason};

/// How long a question without content may take.
const ASK_MAX: Duration = Duration::from_secs(30);

/// Google Cloud Storage, for one attempt.
#[derive(Clone)]
pub struct Gcs {
    /// Reaches it.
    pub http: reqwest::Client,
    /// Where its API is.
    pub api: Url,
    /// Host and port, or what it is called.
    pub server: String,
    /// Says who asks. The pieces of an upload need none.
    pub token: String,
}

/// Store an artifact as `<prefix><key>`, or where that is taken with a number behind the key.
///
/// # Errors
///
/// Where the bucket is missing, or the server does not take it.
pub async fn store(gcs: &Gcs, place: &Place, key: &str, source: &Source) -> Result<Stored, OutputError> {
    bucket::store(&Way { gcs, place, source }, place, key, source).await
}

/// The way of one artifact.
struct Way<'a> {
    gcs: &'a Gcs,
    place: &'a Place,
    source: &'a Source,
}

impl Bucket for Way<'_> {
    async fn look(&self, name: &str) -> Result<Looked, OutputError> {
        let request = self.gcs.http.get(self.url("storage", Some(name))).bearer_auth(&self.gcs.token);
        let (status, object) = self.ask(request).await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Looked::Nothing),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                return Ok(Looked::Unknown);
            }
            status => return Err(self.refused(status, &object)),
        }
        let sha256 = object["metadata"]["sha256"].as_str().map(str::to_owned);
        Ok(Looked::Object { bytes: bytes(&object), sha256 })
    }

    async fn upload(&self, name: &str, digests: &Digests) -> Result<Uploaded, OutputError> {
        let Some(mut session) = self.begin(name, digests).await? else { return Ok(Uploaded::InUse) };
        let sent = session.send(self.source).await;
        session.end(sent.is_ok()).await;
        let (status, object) = sent.map_err(|reason| self.unavailable(reason))?;
        match status {
            StatusCode::OK | StatusCode::CREATED => {}
            StatusCode::PRECONDITION_FAILED => return Ok(Uploaded::InUse),
            // The upload, not the bucket: it may have ended without an answer.
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(self.unavailable("it does not know the upload any more".to_owned()));
            }
            status => return Err(self.refused(status, &object)),
        }
        let expected = digests.crc32c_base64();
        let difference = match object["crc32c"].as_str() {
            _ if bytes(&object) != self.source.bytes => {
                format!("{} bytes, not {}", bytes(&object), self.source.bytes)
            }
            None => return Ok(Uploaded::Taken),
            Some(said) if said == expected => return Ok(Uploaded::Whole),
            Some(said) => format!("the digest {said}, not {expected}"),
        };
        Err(OutputError::Different { server: self.gcs.server.clone(), name: name.to_owned(), difference })
    }

    fn server(&self) -> &str {
        &self.gcs.server
    }
}

impl Way<'_> {
    /// Begin an upload; nothing where there is an object of this name.
    async fn begin(&self, name: &str, digests: &Digests) -> Result<Option<Session>, OutputError> {
        let Self { gcs, place, source } = self;
        let mut object = json!({
            "name": name,
            "contentType": source.media_type,
            "crc32c": digests.crc32c_base64(),
            "metadata": {"sha256": digests.sha256},
        });
        if let Some(class) = &place.storage_class {
            object["storageClass"] = json!(class);
        }
        let mut url = self.url("upload/storage", None);
        url.query_pairs_mut().append_pair("uploadType", "resumable").append_pair("ifGenerationMatch", "0");
        if let Some(key) = &place.kms_key {
            url.query_pairs_mut().append_pair("kmsKeyName", key);
        }
        let request = gcs.http.post(url).bearer_auth(&gcs.token).header(CONTENT_TYPE, "application/json");
        let request = request.header("X-Upload-Content-Type", &source.media_type);
        let request = request.header("X-Upload-Content-Length", source.bytes).body(object.to_string());
        let response = request.timeout(ASK_MAX).send().await.map_err(|error| self.unavailable(reason(error)))?;
        let status = response.status();
        if status == StatusCode::PRECONDITION_FAILED {
            return Ok(None);
        }
        if !status.is_success() {
            let answer = response.text().await.unwrap_or_default();
            return Err(self.refused(status, &serde_json::from_str(&answer).unwrap_or_default()));
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.and_then(|location| gcs.api.join(location).ok());
        let location = location.ok_or_else(|| self.unavailable("it gives an upload no address".to_owned()))?;
        Ok(Some(Session::new(gcs.http.clone(), location)))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Value), OutputError> {
        let asked = async {
            let response = request.timeout(ASK_MAX).send().await?;
            let status = response.status();
            Ok((status, serde_json::from_str(&response.text().await?).unwrap_or_default()))
        };
        asked.await.map_err(|error| self.unavailable(reason(error)))
    }

    /// Where objects of the bucket are, or one of them.
    fn url(&self, service: &str, name: Option<&str>) -> Url {
        let mut url = self.gcs.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(service.split('/')).extend(["v1", "b", &self.place.bucket, "o"]).extend(name);
        }
        url
    }

    fn unavailable(&self, reason: String) -> OutputError {
        OutputError::Unavailable { server: self.gcs.server.clone(), reason }
    }

    /// The only table from what Google says to what it means.
    fn refused(&self, status: StatusCode, answer: &Value) -> OutputError {
        let said = answer["error"]["message"].as_str();
        let reason = said.map_or_else(|| format!("the status {}", status.as_u16()), str::to_owned);
        let server = self.gcs.server.clone();
        match status {
            StatusCode::NOT_FOUND => OutputError::NoBucket(self.place.bucket.clone()),
            // A digest that is not the object's is one of these, and is none of the rule's.
            StatusCode::BAD_REQUEST if !reason.to_lowercase().contains("crc32c") => {
                OutputError::Refused { server, reason }
            }
            _ => OutputError::Unavailable { server, reason },
        }
    }
}

/// Google writes numbers as texts.
fn bytes(object: &Value) -> u64 {
    object["size"].as_str().and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}
