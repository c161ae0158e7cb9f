//! Mail, over one connection that ends when nothing is sent by it for a while.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lettre::Message;
use lettre::message::header::{self, ContentType};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use notifiers::smtp::{Mail, mail};
use notifiers::{Notice, cut, identity};
use policy::Secret;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::error::SendError;
use super::hidden::Hidden;
use crate::clients::secrets::Renewed;
use crate::clients::web::{CONNECT_MAX, IDLE_MAX, with_causes};
use crate::config::notifiers::{self as config, TlsMode};

/// How much of an answer is said.
const SAID_BYTES_MAX: usize = 300;

/// The server does not take the user and the password, which may be others by the next time.
const PASSWORD_REFUSED: u16 = 535;

/// Sends mails.
pub(super) struct Smtp {
    host: String,
    port: u16,
    from: Mailbox,
    to: Mailboxes,
    is_html: bool,
    tls: Tls,
    user: Option<(String, Option<Renewed>)>,
    /// Not there while it is used. A blocking mutex, because nothing waits while it is held.
    kept: Arc<Mutex<Option<Kept>>>,
}

/// A connection by which the last mail was sent, and all of whose answers were read.
struct Kept {
    /// The one that it was made with.
    password: Secret,
    connection: AsyncSmtpConnection,
    since: Instant,
    /// Ends it.
    end: AbortHandle,
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
            kept: Arc::default(),
        })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<String, SendError> {
        let message = self.message(notice).map_err(|error| SendError::lasting(with_causes(&error)))?;
        let password = match &self.user {
            Some((_, Some(password))) => password.now().await.map_err(SendError::temporary)?,
            _ => Secret::default(),
        };
        // Where this does not come to its end, the connection goes with it: an answer that comes after that would be
        // taken for one to the next mail.
        let mut connection = self.connection(&password).await?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        let said = match &sent {
            Ok(response) => {
                let words: Vec<&str> = response.message().collect();
                Ok(self.said(&format!("{} {}", response.code(), words.join(" ")), &password))
            }
            Err(error) => Err(self.failed(error, &password)),
        };
        if sent.is_ok() {
            self.keep(connection, password);
        }
        said
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

    /// The connection that was kept, where it still leads to the server, or another one.
    async fn connection(&self, password: &Secret) -> Result<AsyncSmtpConnection, SendError> {
        let kept = lock(&self.kept).take();
        if let Some(Kept { password: before, mut connection, end, .. }) = kept {
            end.abort();
            if before == *password && connection.test_connected().await {
                return Ok(connection);
            }
        }
        let refused = |error: Error| self.failed(&error, password);
        let hello = ClientId::default();
        let mut connection = match &self.tls {
            // Its greeting is one of TLS, for which the library connects itself.
            Tls::Wrapper(parameters) => {
                let (server, tls) = ((self.host.as_str(), self.port), Some(parameters.clone()));
                AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_MAX), &hello, tls, None).await
            }
            _ => {
                let stream = self.reach().await;
                let stream = stream.map_err(|error| SendError::temporary(format!("{}: {error}", self.host)))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await
            }
        }
        .map_err(refused)?;
        if let Tls::Required(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &hello).await.map_err(refused)?;
        }
        if let Some((user, _)) = &self.user {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(refused)?;
        }
        Ok(connection)
    }

    /// The first of its addresses that is there.
    async fn reach(&self) -> io::Result<TcpStream> {
        let mut missed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in lookup_host((self.host.as_str(), self.port)).await? {
            let late = |_| Err(io::ErrorKind::TimedOut.into());
            match timeout(CONNECT_MAX, TcpStream::connect(address)).await.unwrap_or_else(late) {
                Ok(stream) => {
                    // The end of a mail is a packet of its own, which must not wait for what was before it.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => missed = error,
            }
        }
        Err(missed)
    }

    /// Have it for the next mail, and end it where none comes for a while.
    fn keep(&self, connection: AsyncSmtpConnection, password: Secret) {
        let since = Instant::now();
        let kept = Arc::downgrade(&self.kept);
        let end = tokio::spawn(async move {
            sleep_until(since + IDLE_MAX).await;
            let Some(kept) = kept.upgrade() else { return };
            let idle = lock(&kept).take_if(|kept| kept.since == since);
            if let Some(Kept { mut connection, .. }) = idle {
                let _ = timeout(CONNECT_MAX, connection.quit()).await;
            }
        });
        *lock(&self.kept) = Some(Kept { password, connection, since, end: end.abort_handle() });
    }

    /// What the server has refused for good would be refused another time, too, unless it is the password.
    fn failed(&self, error: &Error, password: &Secret) -> SendError {
        let is_password = error.status().is_some_and(|code| u16::from(code) == PASSWORD_REFUSED);
        let is_lasting = (error.is_permanent() && !is_password) || error.is_client();
        let message = self.said(&with_causes(error), password);
        if is_lasting { SendError::lasting(message) } else { SendError::temporary(message) }
    }

    /// What is said of the words of the server.
    fn said(&self, words: &str, password: &Secret) -> String {
        let mut hidden = Hidden::default();
        let user = self.user.as_ref().map_or("", |(user, _)| user);
        hidden.credentials(user, password.expose());
        cut(&hidden.hide(words), SAID_BYTES_MAX).into_owned()
    }
}

fn lock(kept: &Mutex<Option<Kept>>) -> MutexGuard<'_, Option<Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
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
