//! Lines and documents that real servers find again.

use host::testing::{Notice, Notifier};

use super::{curl, curl_json, notice, notifiers};
use crate::servers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_found_by_their_labels() {
    let Some(server) = servers::start("loki", &[]) else { return };
    let url = server.value("url");
    let loki = notifiers(&format!("notifiers: {{loki: {{url: '{url}/insert/'}}}}"), &[]);
    let now = Notice { time: now(), ..notice() };
    loki.send(Notifier::Loki, &now, None).await.unwrap();
    curl(&[&format!("{url}/internal/force_flush")]);
    let found = curl_json(&[server.value("query"), "-d", r#"query={pod="web-0",action="label_it"}"#]);
    assert_eq!(found["_msg"], "the pod 'web-0' has been labeled");
    assert_eq!((&found["traceid"], &found["rule"]), (&now.trace_id.clone().into(), &now.rule.clone().into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_in_an_index_of_the_template() {
    let Some(server) = servers::start("opensearch", &[]) else { return };
    let url = server.value("url");
    let settings = "number_of_shards: 2, number_of_replicas: 0";
    let search = notifiers(&format!("notifiers: {{elasticsearch: {{url: '{url}', {settings}}}}}"), &[]);
    let said = search.send(Notifier::Elasticsearch, &notice(), None).await.unwrap();
    assert_eq!(said, "201 Created: it is in falco-talon-2024.09.05");
    let said = search.send(Notifier::Elasticsearch, &notice(), None).await.unwrap();
    assert_eq!(said, "it is in falco-talon-2024.09.05 already");

    let template = curl_json(&[&format!("{url}/_index_template/falco-talon")]);
    let settings = &template["index_templates"][0]["index_template"]["template"]["settings"]["index"];
    assert_eq!((&settings["number_of_shards"], &settings["number_of_replicas"]), (&"2".into(), &"0".into()));
    curl(&["-X", "POST", &format!("{url}/_refresh")]);
    let query = "q=objects.Pod.keyword:web-0%20AND%20action.keyword:%22Label%20it%22";
    let found = curl_json(&[&format!("{url}/falco-talon-2024.09.05/_search?{query}")]);
    assert_eq!(found["hits"]["total"]["value"], 1, "{found}");
    let document = &found["hits"]["hits"][0]["_source"];
    assert_eq!((&document["time"], &document["rule"]), (&"2024-09-05T12:52:10.819462Z".into(), &"Größe <x>".into()));

    // A document that does not fit is refused by itself.
    curl(&["-X", "PUT", &format!("{url}/odd-2024"), "-H", "Content-Type: application/json", "-d", ODD]);
    let odd = format!("notifiers: {{elasticsearch: {{url: '{url}', index: odd, suffix: annually}}}}");
    let error = notifiers(&odd, &[]).send(Notifier::Elasticsearch, &notice(), None).await.unwrap_err();
    assert!(!error.is_temporary && error.message.starts_with("400 Bad Request: mapper_parsing_exception"), "{error}");
}

/// An index in which no notice fits.
const ODD: &str = r#"{"mappings": {"properties": {"status": {"type": "integer"}}}}"#;

/// Servers refuse lines that are older than what they keep.
fn now() -> host::testing::Timestamp {
    host::testing::Timestamp::now()
}
