//! A message to a Slack channel by an incoming webhook.

use serde_json::{Value, json};

use crate::limits::escaped;
use crate::notice::Notice;
use crate::words::{colour, title};

/// Slack takes 40,000 characters of a text, and all fields together stay below that.
const FIELD_BYTES_MAX: usize = 2_000;

/// The name of a rule or of an action, in the first line.
const NAME_BYTES_MAX: usize = 300;

/// More objects than that are not shown each.
const OBJECTS_MAX: usize = 10;

/// How messages look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address of the picture beside a message.
    pub icon: String,
    /// Who seems to have sent it.
    pub username: String,
    /// What stands below; empty for nothing.
    pub footer: String,
    /// One line, in place of all.
    pub is_short: bool,
}

/// What is posted.
pub fn body(settings: &Settings, notice: &Notice) -> Value {
    let title = first_line(notice);
    let Settings { icon, username, footer, is_short } = settings;
    let colour = colour(&notice.status);
    if *is_short {
        let attachment = json!({"fallback": "", "color": colour, "text": title, "fields": null});
        return json!({"text": "", "username": username, "icon_url": icon, "attachments": [attachment]});
    }
    let mut attachment = json!({"fallback": "", "color": colour, "text": "", "fields": fields(notice)});
    if !footer.is_empty() {
        attachment["footer"] = json!(footer);
    }
    json!({"text": title, "username": username, "icon_url": icon, "attachments": [attachment]})
}

fn first_line(notice: &Notice) -> String {
    let status = notice.status.to_uppercase().replace('_', " ");
    let mut line = format!("[*{}*][*{}*]", code(&status, NAME_BYTES_MAX), notice.stage.name().to_uppercase());
    for (label, name) in [("Rule", &notice.rule), ("Action", &notice.action), ("OutputTarget", &notice.output_target)] {
        if !name.is_empty() {
            line += &format!(" {label}: `{}`", code(name, NAME_BYTES_MAX));
        }
    }
    if let Some(group) = &notice.group {
        line += &format!(" ({} times)", group.count);
    }
    line
}

fn fields(notice: &Notice) -> Vec<Value> {
    let mut fields = Vec::new();
    let mut add = |title: &str, text: &str, is_short: bool, fence: [&str; 2]| {
        if text.is_empty() {
            return;
        }
        let value = format!("{}{}{}", fence[0], code(text, FIELD_BYTES_MAX), fence[1]);
        let mut field = json!({"title": code(title, NAME_BYTES_MAX), "value": value});
        field["short"] = json!(is_short);
        fields.push(field);
    };
    let (inline, fenced, below) = (["`", "`"], ["```", "```"], ["\n```", "```"]);
    add("Rule", &notice.rule, false, inline);
    add("Action", &notice.action, false, inline);
    add("Actionner", &notice.actionner, true, inline);
    add("Status", &notice.status_text(), true, inline);
    for (kind, name) in notice.objects.iter().take(OBJECTS_MAX) {
        add(&title(kind), name, true, inline);
    }
    if let Some(more) = notice.objects.len().checked_sub(OBJECTS_MAX).filter(|more| *more > 0) {
        add("Objects", &format!("{more} more"), true, inline);
    }
    add("Group", &notice.group_text().unwrap_or_default(), false, inline);
    add("Event", &notice.event, false, fenced);
    add("Message", notice.stage.name(), false, inline);
    add("Error", &notice.error, false, inline);
    add("OutputTarget", &notice.output_target, false, inline);
    add("Trace ID", &notice.trace_id, false, inline);
    add("Result", &notice.details, false, inline);
    add("Output", &notice.output, false, below);
    fields
}

/// The text as it stands between backticks. It can't end them, nor call a channel (`<!channel>`) or hide where a link
/// leads.
fn code(text: &str, bytes_max: usize) -> String {
    escaped(text, bytes_max, |char| {
        Some(match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '`' => "'",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::{grouped, notice, stored};

    fn settings(is_short: bool) -> Settings {
        Settings { icon: "https://i".to_owned(), username: "Falco Talon".to_owned(), footer: "f".to_owned(), is_short }
    }

    fn check(is_short: bool, notice: &Notice, expected: Expect) {
        expected.assert_eq(&format!("{:#}", body(&settings(is_short), notice)));
    }

    #[test]
    fn messages_are_those_of_the_original() {
        check(
            false,
            &notice(),
            expect![[r##"
            {
              "attachments": [
                {
                  "color": "#23ba47",
                  "fallback": "",
                  "fields": [
                    {
                      "short": false,
                      "title": "Rule",
                      "value": "`Redirect STDOUT/STDIN to Network Connection in Container`"
                    },
                    {
                      "short": false,
                      "title": "Action",
                      "value": "`Run tcpdump for 5s`"
                    },
                    {
                      "short": true,
                      "title": "Actionner",
                      "value": "`kubernetes:tcpdump`"
                    },
                    {
                      "short": true,
                      "title": "Status",
                      "value": "`success`"
                    },
                    {
                      "short": true,
                      "title": "Namespace",
                      "value": "`default`"
                    },
                    {
                      "short": true,
                      "title": "Pod",
                      "value": "`cncf-1`"
                    },
                    {
                      "short": false,
                      "title": "Event",
                      "value": "```Redirect &lt;b&gt;stdout&lt;/b&gt; &amp; 'stdin'```"
                    },
                    {
                      "short": false,
                      "title": "Message",
                      "value": "`action`"
                    },
                    {
                      "short": false,
                      "title": "Trace ID",
                      "value": "`c954bd8b3391a08f23079552fdd639f3`"
                    },
                    {
                      "short": false,
                      "title": "Output",
                      "value": "\n```a tcpdump 'tcpdump.pcap' has been created```"
                    }
                  ],
                  "footer": "f",
                  "text": ""
                }
              ],
              "icon_url": "https://i",
              "text": "[*SUCCESS*][*ACTION*] Rule: `Redirect STDOUT/STDIN to Network Connection in Container` Action: `Run tcpdump for 5s`",
              "username": "Falco Talon"
            }"##]],
        );
        check(
            false,
            &grouped(),
            expect![[r##"
            {
              "attachments": [
                {
                  "color": "#2d7de8",
                  "fallback": "",
                  "fields": [
                    {
                      "short": false,
                      "title": "Rule",
                      "value": "`Redirect STDOUT/STDIN to Network Connection in Container`"
                    },
                    {
                      "short": false,
                      "title": "Action",
                      "value": "`Run tcpdump for 5s`"
                    },
                    {
                      "short": true,
                      "title": "Actionner",
                      "value": "`kubernetes:tcpdump`"
                    },
                    {
                      "short": true,
                      "title": "Status",
                      "value": "`dry_run: nothing was changed`"
                    },
                    {
                      "short": true,
                      "title": "Namespace",
                      "value": "`default`"
                    },
                    {
                      "short": true,
                      "title": "Pod",
                      "value": "`cncf-1`"
                    },
                    {
                      "short": false,
                      "title": "Group",
                      "value": "`3 times until 2024-09-05T12:52:40Z; the first: default/cncf-1, default/cncf-2, …`"
                    },
                    {
                      "short": false,
                      "title": "Event",
                      "value": "```Redirect &lt;b&gt;stdout&lt;/b&gt; &amp; 'stdin'```"
                    },
                    {
                      "short": false,
                      "title": "Message",
                      "value": "`action`"
                    },
                    {
                      "short": false,
                      "title": "Trace ID",
                      "value": "`c954bd8b3391a08f23079552fdd639f3`"
                    },
                    {
                      "short": false,
                      "title": "Result",
                      "value": "`{\"file\":\"tcpdump.pcap\"}`"
                    },
                    {
                      "short": false,
                      "title": "Output",
                      "value": "\n```a tcpdump 'tcpdump.pcap' has been created```"
                    }
                  ],
                  "footer": "f",
                  "text": ""
                }
              ],
              "icon_url": "https://i",
              "text": "[*DRY RUN*][*ACTION*] Rule: `Redirect STDOUT/STDIN to Network Connection in Container` Action: `Run tcpdump for 5s` (3 times)",
              "username": "Falco Talon"
            }"##]],
        );
        check(
            true,
            &stored(),
            expect![[r##"
            {
              "attachments": [
                {
                  "color": "#e20b0b",
                  "fallback": "",
                  "fields": null,
                  "text": "[*FAILURE*][*OUTPUT*] Rule: `Redirect STDOUT/STDIN to Network Connection in Container` Action: `Run tcpdump for 5s` OutputTarget: `minio:s3`"
                }
              ],
              "icon_url": "https://i",
              "text": "",
              "username": "Falco Talon"
            }"##]],
        );
        let bare = Settings { footer: String::new(), ..settings(false) };
        assert_eq!(body(&bare, &notice())["attachments"][0].get("footer"), None);
    }

    #[test]
    fn a_message_is_as_long_as_slack_takes_it_and_calls_nobody() {
        let long = "<!channel>`".repeat(10_000);
        let objects = (0..100).map(|at| (format!("kind{at}"), long.clone())).collect();
        let (event, output, details, error) = (long.clone(), long.clone(), long.clone(), long.clone());
        let hostile = Notice { event, output, details, error, objects, rule: long, ..notice() };
        let message = body(&settings(false), &hostile).to_string();
        assert!(message.len() < 40_000, "{}", message.len());
        assert!(!message.contains("<!"));
    }
}
