//! Mail, over one connection that ends when nothing is sent by it for a while.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lettre::message::header::{self, ContentType};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use notifiers::smtp::{Mail, mail};
use notifiers::{Notice, cut, identity};
use policy::Secret;
use tokio::sync::Mutex;

use super::error::SendError;
use crate::clients::secrets::Renewed;
use crate::clients::web::{IDLE_MAX, with_causes};
use crate::config::notifiers::{self as config, TlsMode};

/// For each answer of the server. It does not cover the first one, for which the time of all of it counts.
const COMMAND_MAX: Duration = Duration::from_secs(20);

/// How much of an answer is said.
const SAID_BYTES_MAX: usize = 300;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mails.
pub(super) struct Smtp {
    host: String,
    port: u16,
    from: Mailbox,
    to: Mailboxes,
    is_html: bool,
    tls: Tls,
    user: Option<(String, Option<Renewed>)>,
    /// Made when the first mail is sent, and anew when the password has changed.
    transport: Mutex<Option<(Secret, Transport)>>,
}

impl Smtp {
    pub(super) fn new(config: &config::Smtp, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let wrong = |key: &str, reason: &dyn std::fmt::Display| format!("wrong `{key}` setting: {reason}");
        if config.host_port.is_empty() {
            return Err("wrong `host_port` setting".to_owned());
        }
        let (host, port) =
            host_port(&config.host_port).ok_or_else(|| wrong("host_port", &"it is the mail server's host:port"))?;
        if config.from.is_empty() {
            return Err(wrong("from", &"it is required"));
        }
        let from: Mailbox = config.from.parse().map_err(|error| wrong("from", &error))?;
        let to: Result<Vec<Mailbox>, _> = config.to.iter().map(|address| address.parse()).collect();
        let to = to.map_err(|error| wrong("to", &error))?;
        if to.is_empty() {
            return Err(wrong("to", &"it is required"));
        }
        let password = config.password.as_ref().map(|source| Renewed::new(source, environment)).transpose();
        let password = password.map_err(|reason| wrong("password", &reason))?;
        Ok(Self {
            tls: tls(config, &host)?,
            host,
            port,
            from,
            to: to.into_iter().collect(),
            is_html: config.format != "text",
            user: Some(config.user.clone()).filter(|user| !user.is_empty()).map(|user| (user, password)),
            transport: Mutex::new(None),
        })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        let message = self.message(notice).map_err(|error| SendError::lasting(with_causes(&error)))?;
        let response = self.transport().await.send(message).await.map_err(|error| failed(&error))?;
        let words: Vec<&str> = response.message().collect();
        Ok(cut(&format!("{} {}", response.code(), words.join(" ")), SAID_BYTES_MAX).into_owned())
    }

    fn message(&self, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let Mail { subject, text, html } = mail(notice, self.is_html);
        let id = format!("<{}@{}>", identity(notice), self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .mailbox(header::To::from(self.to.clone()))
            .date(SystemTime::from(notice.time))
            .message_id(Some(id))
            .subject(subject);
        match html {
            Some(html) => message.multipart(MultiPart::alternative_plain_html(text, html)),
            None => message.singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(text)),
        }
    }

    async fn transport(&self) -> Transport {
        let password = match &self.user {
            Some((_, Some(password))) => password.now().await,
            _ => Secret::default(),
        };
        let mut kept = self.transport.lock().await;
        if let Some((_, transport)) = kept.as_ref().filter(|(before, _)| *before == password) {
            return transport.clone();
        }
        let pool = PoolConfig::new().min_idle(0).max_size(1).idle_timeout(IDLE_MAX);
        let builder = Transport::builder_dangerous(&self.host).port(self.port).timeout(Some(COMMAND_MAX));
        let mut builder = builder.tls(self.tls.clone()).pool_config(pool);
        if let Some((user, _)) = &self.user {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        let transport = builder.build();
        *kept = Some((password, transport.clone()));
        transport
    }
}

fn tls(config: &config::Smtp, host: &str) -> Result<Tls, String> {
    if config.tls_mode == TlsMode::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(host.to_owned());
    for certificate in config.ca_file.iter().map(|path| certificate(path)) {
        parameters = parameters.add_root_certificate(certificate?);
    }
    let parameters =
        parameters.build_rustls().map_err(|error| format!("TLS can't be used: {}", with_causes(&error)))?;
    Ok(match config.tls_mode {
        TlsMode::Implicit => Tls::Wrapper(parameters),
        TlsMode::None | TlsMode::StartTls => Tls::Required(parameters),
    })
}

fn certificate(path: &Path) -> Result<Certificate, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("wrong `ca_file` setting: {}: {error}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
    Certificate::from_pem(&pem).map_err(|error| wrong(&with_causes(&error)))
}

/// The host without the brackets of an IPv6 address, and the port.
fn host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
    Some((host.to_owned(), port.parse().ok()?)).filter(|_| is_host)
}

/// What the server has refused for good would be refused another time, too.
fn failed(error: &Error) -> SendError {
    let message = cut(&with_causes(error), SAID_BYTES_MAX).into_owned();
    if error.is_permanent() || error.is_client() { SendError::lasting(message) } else { SendError::temporary(message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_server_is() {
        for (text, expected) in [
            ("mail.acme.example:587", Some(("mail.acme.example", 587))),
            ("[::1]:25", Some(("::1", 25))),
            ("mail.acme.example", None),
            ("smtp://mail:25", None),
            (":25", None),
            ("mail:70000", None),
        ] {
            assert_eq!(host_port(text), expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
        }
    }
}
