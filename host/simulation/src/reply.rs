//! Which part of the API answers which request.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::body::Body;
use super::call::{Call, Subresource, Unaddressed, Verb};
use super::exec::Session;
use super::status::Refusal;
use super::store::Store;
use super::{clock, delete, exec, pod, read, scale, write};

/// The ways in which a request is answered.
#[derive(Debug)]
pub(super) enum Reply {
    Object(Answer),
    /// None where there can't be a log yet.
    Log(Option<String>),
    Session(Session),
}

/// Carry out a request.
pub(super) fn reply(store: &mut Store, parts: &http::request::Parts, bytes: &[u8]) -> Result<Reply, Unaddressed> {
    let now = clock::now();
    delete::expire(store, &now, false);
    let call = Call::parse(parts)?;
    let body = Body { bytes };
    let answer = match call.verb {
        Verb::Get if call.subresource == Some(Subresource::Exec) => {
            return Ok(Reply::Session(exec::exec(store, &call, parts)?));
        }
        Verb::Get if call.subresource == Some(Subresource::Log) => return Ok(Reply::Log(pod::log(store, &call)?)),
        Verb::Get => read::get(store, &call),
        Verb::List => read::list(store, &call),
        Verb::Create if call.subresource == Some(Subresource::Eviction) => delete::evict(store, &call, &body, &now),
        Verb::Create => write::create(store, &call, &body, &now),
        Verb::Update => write::update(store, &call, &body, &now),
        Verb::Patch => write::patch(store, &call, &body, &now),
        Verb::Delete => {
            delete::Options::parse(&call, &body).and_then(|options| delete::delete(store, &call, options, &now))
        }
        Verb::DeleteCollection => delete_collection(store, &call, &body, &now),
    };
    let mut answer = answer?;
    if call.subresource == Some(Subresource::Scale) {
        answer.body = scale::of(&answer.body);
    }
    Ok(Reply::Object(answer))
}

fn delete_collection(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let options = delete::Options::parse(call, body)?;
    let selected = read::select(store, call)?;
    let deleted = delete::delete_collection(store, call, selected, &options, now);
    let metadata = json!({"resourceVersion": store.version().to_string()});
    Ok(Answer { code: StatusCode::OK, body: read::collection(call, &metadata, deleted), warnings: Vec::new() })
}
