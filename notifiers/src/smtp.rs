//! A mail: its subject and its text, and the same as HTML. How it is encoded is the matter of who sends it.

use std::borrow::Cow;

use crate::catalogue::PICTURE;
use crate::limits::{Labelled, cut, escaped, lines, one_line};
use crate::notice::Notice;
use crate::words::{colour, title};

/// The name of a rule or of an action in the subject.
const NAME_BYTES_MAX: usize = 150;

/// The longest text of one row.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The text of a mail.
const MAIL_BYTES_MAX: usize = 512 << 10;

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// In one line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// The same as a table; not where text alone is asked for.
    pub html: Option<String>,
}

/// The mail of a notice.
pub fn mail(notice: &Notice, is_html: bool) -> Mail {
    Mail { subject: subject(notice), text: text(notice), html: is_html.then(|| html(notice)) }
}

fn subject(notice: &Notice) -> String {
    let mut subject = format!("[falco-talon][{}][{}]", notice.status, notice.stage.name());
    for (label, name) in [("OutputTarget", &notice.output_target), ("Action", &notice.action), ("Rule", &notice.rule)] {
        if !name.is_empty() {
            subject += &format!(" {label} '{}'", cut(&one_line(name), NAME_BYTES_MAX));
        }
    }
    if let Some(group) = &notice.group {
        subject += &format!(" ({} times)", group.count);
    }
    one_line(&subject)
}

fn text(notice: &Notice) -> String {
    let mut labelled: Vec<Labelled> = Vec::new();
    let mut add = |label: Cow<'static, str>, value: Cow<'_, str>| {
        if !value.is_empty() {
            labelled.push((label, Cow::Owned(value.into_owned())));
        }
    };
    add("Status".into(), notice.status_text());
    add("Action".into(), one_line(&notice.action).into());
    add("Actionner".into(), (&notice.actionner).into());
    add("Rule".into(), one_line(&notice.rule).into());
    add("Group".into(), notice.group_text().unwrap_or_default().into());
    add("Event".into(), cut(&notice.event, TEXT_BYTES_MAX));
    add("Message".into(), notice.stage.name().into());
    for (kind, name) in &notice.objects {
        add(title(kind).into(), one_line(name).into());
    }
    add("Error".into(), cut(&notice.error, TEXT_BYTES_MAX));
    add("Result".into(), cut(&notice.details, TEXT_BYTES_MAX));
    if !notice.output.is_empty() {
        add("Output".into(), format!("\n{}", cut(&notice.output, TEXT_BYTES_MAX)).into());
    }
    add("OutputTarget".into(), (&notice.output_target).into());
    add("Trace ID".into(), (&notice.trace_id).into());
    lines(&labelled, MAIL_BYTES_MAX)
}

fn html(notice: &Notice) -> String {
    let mut rows = String::new();
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            rows += &format!(
                "<tr><td style=\"background-color:#858585;color:#ffffff\"><b>{}</b></td>\
                 <td style=\"background-color:#d1d6da\">{}</td></tr>\n",
                markup(label),
                markup(value)
            );
        }
    };
    add("Action", &notice.action);
    add("Actionner", &notice.actionner);
    add("Rule", &notice.rule);
    for (kind, name) in &notice.objects {
        add(&title(kind), name);
    }
    add("Group", &notice.group_text().unwrap_or_default());
    add("Event", &notice.event);
    add("Target", &notice.output_target);
    add("Message", notice.stage.name());
    add("Trace ID", &notice.trace_id);
    add("Error", &notice.error);
    add("Result", &notice.details);
    add("Output", &notice.output);
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n\
         <table cellpadding=\"6\"><tr><td><img src=\"{PICTURE}\" alt=\"Falco Talon\" height=\"60\"></td></tr></table>\n\
         <table cellpadding=\"6\"><tr><td style=\"background-color:{};color:#ffffff\"><b>{}</b></td></tr></table>\n\
         <table cellpadding=\"6\">\n{rows}</table>\n</body></html>\n",
        colour(&notice.status),
        markup(&notice.status_text())
    )
}

/// The text in HTML: nothing in it is markup.
fn markup(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    escaped(&text, TEXT_BYTES_MAX, |char| {
        Some(match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            '\n' => "<br>\n",
            char if char.is_control() => " ",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::notice::tests::{grouped, notice, stored};

    fn check(mail: &Mail, expected: Expect) {
        let Mail { subject, text, html } = mail;
        expected.assert_eq(&format!("{subject}\n\n{text}\n{}", html.clone().unwrap_or_default()));
    }

    #[test]
    fn mails_say_what_those_of_the_original_do() {
        check(
            &mail(&notice(), true),
            expect![[r#"
            [falco-talon][success][action] Action 'Run tcpdump for 5s' Rule 'Redirect STDOUT/STDIN to Network Connection in Container'

            Status: success
            Action: Run tcpdump for 5s
            Actionner: kubernetes:tcpdump
            Rule: Redirect STDOUT/STDIN to Network Connection in Container
            Event: Redirect <b>stdout</b> & 'stdin'
            Message: action
            Namespace: default
            Pod: cncf-1
            Output: 
              a tcpdump 'tcpdump.pcap' has been created
            Trace ID: c954bd8b3391a08f23079552fdd639f3

            <!DOCTYPE html>
            <html><head><meta charset="utf-8"></head><body>
            <table cellpadding="6"><tr><td><img src="https://upload.wikimedia.org/wikipedia/commons/2/26/Circaetus_gallicus_claw.jpg" alt="Falco Talon" height="60"></td></tr></table>
            <table cellpadding="6"><tr><td style="background-color:#23ba47;color:#ffffff"><b>success</b></td></tr></table>
            <table cellpadding="6">
            <tr><td style="background-color:#858585;color:#ffffff"><b>Action</b></td><td style="background-color:#d1d6da">Run tcpdump for 5s</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Actionner</b></td><td style="background-color:#d1d6da">kubernetes:tcpdump</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Rule</b></td><td style="background-color:#d1d6da">Redirect STDOUT/STDIN to Network Connection in Container</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Namespace</b></td><td style="background-color:#d1d6da">default</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Pod</b></td><td style="background-color:#d1d6da">cncf-1</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Event</b></td><td style="background-color:#d1d6da">Redirect &lt;b&gt;stdout&lt;/b&gt; &amp; &#39;stdin&#39;</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Message</b></td><td style="background-color:#d1d6da">action</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Trace ID</b></td><td style="background-color:#d1d6da">c954bd8b3391a08f23079552fdd639f3</td></tr>
            <tr><td style="background-color:#858585;color:#ffffff"><b>Output</b></td><td style="background-color:#d1d6da">a tcpdump &#39;tcpdump.pcap&#39; has been created</td></tr>
            </table>
            </body></html>
        "#]],
        );
        check(
            &mail(&stored(), false),
            expect![[r#"
            [falco-talon][failure][output] OutputTarget 'minio:s3' Action 'Run tcpdump for 5s' Rule 'Redirect STDOUT/STDIN to Network Connection in Container'

            Status: failure
            Action: Run tcpdump for 5s
            Rule: Redirect STDOUT/STDIN to Network Connection in Container
            Message: output
            A-B: c
            Bucket: b
            File: log
            Error: the bucket 'b' does not exist
              at all
            OutputTarget: minio:s3
            Trace ID: c954bd8b3391a08f23079552fdd639f3

        "#]],
        );
        check(
            &mail(&grouped(), false),
            expect![[r#"
            [falco-talon][dry_run][action] Action 'Run tcpdump for 5s' Rule 'Redirect STDOUT/STDIN to Network Connection in Container' (3 times)

            Status: dry_run: nothing was changed
            Action: Run tcpdump for 5s
            Actionner: kubernetes:tcpdump
            Rule: Redirect STDOUT/STDIN to Network Connection in Container
            Group: 3 times until 2024-09-05T12:52:40Z; the first: default/cncf-1, default/cncf-2, …
            Event: Redirect <b>stdout</b> & 'stdin'
            Message: action
            Namespace: default
            Pod: cncf-1
            Result: {"file":"tcpdump.pcap"}
            Output: 
              a tcpdump 'tcpdump.pcap' has been created
            Trace ID: c954bd8b3391a08f23079552fdd639f3

        "#]],
        );
    }

    #[test]
    fn a_subject_is_one_line() {
        let hostile = Notice { rule: "a\r\nBcc: all@acme.example\n".repeat(100), ..notice() };
        let Mail { subject, .. } = mail(&hostile, false);
        assert!(!subject.contains(['\r', '\n']) && subject.len() < 500, "{subject}");
    }

    #[test]
    fn a_line_of_a_value_is_none_of_ours() {
        let hostile = Notice { event: "x\nStatus: success".to_owned(), status: "failure".to_owned(), ..notice() };
        let Mail { text, .. } = mail(&hostile, false);
        assert_eq!(text.lines().filter(|line| line.starts_with("Status")).count(), 1, "{text}");
    }
}
