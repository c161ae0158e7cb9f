//! Documents for Elasticsearch and OpenSearch, one index a day or as it is asked for, and the template of the indices.
//!
//! What is asked of the server it has had since Elasticsearch 7.8, and all of OpenSearch has it.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::identity::identity;
use crate::notice::Notice;
use crate::record::Record;

/// Where documents go, and how their indices are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How the names of the indices begin.
    pub index: String,
    /// How they end.
    pub suffix: Suffix,
    /// Into how many parts each is divided.
    pub number_of_shards: u64,
    /// How many copies there are of each part.
    pub number_of_replicas: u64,
}

/// How often a new index begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// Each day.
    Daily,
    /// Each month.
    Monthly,
    /// Each year.
    Annually,
    /// Never.
    None,
}

impl Suffix {
    /// The one of this name; any other is daily.
    pub fn of(name: &str) -> Self {
        match name {
            "monthly" => Self::Monthly,
            "annually" => Self::Annually,
            "none" => Self::None,
            _ => Self::Daily,
        }
    }
}

/// Where documents are sent, below the address of the server.
pub const BULK_PATH: &str = "/_bulk";

/// What comes before the name of a template.
pub const TEMPLATE_PATH: &str = "/_index_template/";

/// Whether it can be the beginning of an index' name.
pub fn is_index(name: &str) -> bool {
    let is_fit = |char: char| !char.is_uppercase() && !char.is_whitespace() && !r#"\/*?"<>|,#:"#.contains(char);
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['-', '_', '+', '.']) && name.chars().all(is_fit)
}

/// The index of a notice, by UTC.
pub fn index(settings: &Settings, notice: &Notice) -> String {
    let time = notice.time.to_zoned(TimeZone::UTC);
    let suffix = match settings.suffix {
        Suffix::Daily => time.strftime("-%Y.%m.%d").to_string(),
        Suffix::Monthly => time.strftime("-%Y.%m").to_string(),
        Suffix::Annually => time.strftime("-%Y").to_string(),
        Suffix::None => String::new(),
    };
    format!("{}{suffix}", settings.index)
}

/// What is sent: lines of JSON. A document that is there already is refused by its id.
pub fn bulk(settings: &Settings, notice: &Notice) -> String {
    let action = json!({"create": {"_index": index(settings, notice), "_id": identity(notice)}});
    format!("{action}\n{}\n", Record::of(notice).to_json())
}

/// What became of the document that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The status of this one, which says more than that of the whole answer.
    pub status: u16,
    /// Why it was refused; empty where it was not.
    pub error: String,
    /// Where it is.
    pub index: String,
}

/// Read the answer to what [`bulk`] made: nothing where it does not speak of a document.
pub fn item(answer: &[u8]) -> Option<Item> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let item = &answer["items"][0]["create"];
    let status = u16::try_from(item["status"].as_u64()?).ok()?;
    let error = &item["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let error = match error["type"].as_str() {
        Some(of_type) => format!("{of_type}: {}", text(&error["reason"])),
        None => String::new(),
    };
    Some(Item { status, error, index: text(&item["_index"]) })
}

/// The template of the indices, whose name is that with which theirs begin.
pub fn template(settings: &Settings) -> Value {
    let text = |ignore_above: u32| json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": ignore_above}}});
    let mut properties = json!({
        "time": {"type": "date"},
        "objects": {"properties": {"Namespace": text(128), "Pod": text(128)}},
    });
    for (ignore_above, members) in [
        (128, &["action", "actionner", "category", "message", "output_target", "rule", "status"][..]),
        (256, &["error", "trace_id"]),
        (1_024, &["event"]),
        (2_048, &["output", "result"]),
    ] {
        for member in members {
            properties[member] = text(ignore_above);
        }
    }
    json!({
        "index_patterns": [format!("{}*", settings.index)],
        "template": {
            "settings": {
                "number_of_shards": settings.number_of_shards,
                "number_of_replicas": settings.number_of_replicas,
            },
            "mappings": {"_source": {"enabled": true}, "properties": properties},
        },
        "_meta": {"description": "Notifications of falco-talon"},
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::notice;

    fn settings(suffix: Suffix) -> Settings {
        Settings { index: "falco-talon".to_owned(), suffix, number_of_shards: 3, number_of_replicas: 0 }
    }

    #[test]
    fn indices_are_named_by_the_date() {
        for (name, expected) in [
            ("daily", "falco-talon-2024.09.05"),
            ("weekly", "falco-talon-2024.09.05"),
            ("monthly", "falco-talon-2024.09"),
            ("annually", "falco-talon-2024"),
            ("none", "falco-talon"),
        ] {
            assert_eq!(index(&settings(Suffix::of(name)), &notice()), expected);
        }
    }

    #[test]
    fn names_that_are_no_index_are_known() {
        for (name, expected) in [("falco-talon", true), ("Falco", false), ("a/b", false), ("-a", false), ("", false)] {
            assert_eq!(is_index(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_sent() {
        let check = |text: &str, expected: Expect| expected.assert_eq(text);
        check(
            &bulk(&settings(Suffix::Daily), &notice()),
            expect![[r#"
            {"create":{"_id":"386fd32d614b473f315f3e453d685aef","_index":"falco-talon-2024.09.05"}}
            {"time":"2024-09-05T12:52:10.819462Z","objects":{"Namespace":"default","Pod":"cncf-1"},"trace_id":"c954bd8b3391a08f23079552fdd639f3","rule":"Redirect STDOUT/STDIN to Network Connection in Container","event":"Redirect <b>stdout</b> & 'stdin'","message":"action","output":"a tcpdump 'tcpdump.pcap' has been created","actionner":"kubernetes:tcpdump","action":"Run tcpdump for 5s","status":"success"}
        "#]],
        );
        check(
            &format!("{:#}", template(&settings(Suffix::Daily))),
            expect![[r#"
            {
              "_meta": {
                "description": "Notifications of falco-talon"
              },
              "index_patterns": [
                "falco-talon*"
              ],
              "template": {
                "mappings": {
                  "_source": {
                    "enabled": true
                  },
                  "properties": {
                    "action": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "actionner": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "category": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "error": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 256,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "event": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 1024,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "message": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "objects": {
                      "properties": {
                        "Namespace": {
                          "fields": {
                            "keyword": {
                              "ignore_above": 128,
                              "type": "keyword"
                            }
                          },
                          "type": "text"
                        },
                        "Pod": {
                          "fields": {
                            "keyword": {
                              "ignore_above": 128,
                              "type": "keyword"
                            }
                          },
                          "type": "text"
                        }
                      }
                    },
                    "output": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 2048,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "output_target": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "result": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 2048,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "rule": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "status": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 128,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    },
                    "time": {
                      "type": "date"
                    },
                    "trace_id": {
                      "fields": {
                        "keyword": {
                          "ignore_above": 256,
                          "type": "keyword"
                        }
                      },
                      "type": "text"
                    }
                  }
                },
                "settings": {
                  "number_of_replicas": 0,
                  "number_of_shards": 3
                }
              }
            }"#]],
        );
    }

    #[test]
    fn what_is_said_of_it() {
        let created = br#"{"errors":false,"items":[{"create":{"_index":"i","status":201}}]}"#;
        let item_of = |status, error: &str| Some(Item { status, error: error.to_owned(), index: "i".to_owned() });
        assert_eq!(item(created), item_of(201, ""));
        let refused =
            br#"{"items":[{"create":{"_index":"i","status":429,"error":{"type":"rejected","reason":"too many"}}}]}"#;
        assert_eq!(item(refused), item_of(429, "rejected: too many"));
        assert_eq!(item(b"<html>"), None);
    }
}
