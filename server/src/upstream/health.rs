//! How backends are, as far as that can be found out without a caller.
//!
//! A probe is made in this server's own name or not at all. Where only callers are answered, nobody knows, and that is
//! what is said: an answer of 401 is no sign of health.

use super::backend::{Backend, Reply};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use countersign::BoxError;
use futures_util::future::join_all;
use std::{fmt, time::Duration};
use tokio::time;

/// How a backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers, in whatever era.
    Answers,
    /// It answers, and lets this server do nothing.
    Refuses(StatusCode),
    /// It answers that it cannot.
    Fails(StatusCode),
    /// It does not answer.
    Silent(String),
    /// It is asked in callers' names only.
    NotProbed,
}

/// How often each backend is asked.
const EVERY: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const ASKS: &str = concat!(
    r#"{"jsonrpc":"2.0","id":"probe","method":"server/discover","params":{"_meta":{"#,
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"countersign","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}}}"#
);

/// Asks again and again, and says so in the log whenever a backend is otherwise than before. It never ends by itself.
pub(crate) async fn watch(backends: &[Backend]) {
    let mut known: Vec<Option<Health>> = vec![None; backends.len()];
    let mut turns = time::interval(EVERY);
    loop {
        turns.tick().await;
        let probes = join_all(backends.iter().map(Backend::probe)).await;
        for ((backend, before), now) in backends.iter().zip(&mut known).zip(probes) {
            if before.as_ref() != Some(&now) {
                tell(backend.name(), &now);
                *before = Some(now);
            }
        }
    }
}

impl Backend {
    /// Asks it what it is.
    pub(crate) async fn probe(&self) -> Health {
        match time::timeout(PATIENCE, self.ask(headers(), Bytes::from_static(ASKS.as_bytes()))).await {
            Ok(None) => Health::NotProbed,
            Ok(Some(answer)) => judged(answer),
            Err(_) => Health::Silent("no answer in time".to_owned()),
        }
    }
}

fn judged(answer: Result<Reply, BoxError>) -> Health {
    match answer.map(|reply| reply.status()) {
        Ok(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => Health::Refuses(status),
        Ok(status) if status.is_server_error() || status.is_redirection() => Health::Fails(status),
        // Whoever speaks another era only does not know the question, and says so.
        Ok(_) => Health::Answers,
        Err(error) => Health::Silent(chain(&*error)),
    }
}

fn tell(backend: &str, health: &Health) {
    match health {
        Health::Answers | Health::NotProbed => tracing::info!(backend, %health, "health"),
        Health::Refuses(_) | Health::Fails(_) | Health::Silent(_) => {
            tracing::warn!(backend, %health, "health")
        }
    }
}

fn headers() -> HeaderMap {
    [
        (header::CONTENT_TYPE, "application/json"),
        (header::ACCEPT, "application/json, text/event-stream"),
        (HeaderName::from_static("mcp-protocol-version"), "2026-07-28"),
        (HeaderName::from_static("mcp-method"), "server/discover"),
    ]
    .into_iter()
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .collect()
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, below| format!("{text}: {below}"))
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers => f.write_str("it answers"),
            Self::Refuses(status) => write!(f, "it refuses this server's own identity: {status}"),
            Self::Fails(status) => write!(f, "it fails: {status}"),
            Self::Silent(why) => write!(f, "it does not answer: {why}"),
            Self::NotProbed => f.write_str("not probed, as it is asked in callers' names only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        federation::Upstreams,
        store::{Connections, Memory, Store},
        upstream::{self, Tokens},
    };
    use countersign::clock::SystemClock;
    use countersign_fixtures::{
        clock::Clock,
        credentials::Book,
        fault::Fault,
        http::Server,
        mcp::{PATH, everything::Everything},
        oracle::{Oracle, OracleServer},
    };
    use std::{fs, sync::Arc};
    use tempfile::tempdir;

    /// The backend at `url`, as an operator would describe it, with `secret` kept beside.
    fn backend(url: &str, auth: &str, secret: &str) -> Backend {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret"), secret).unwrap();
        let upstreams =
            "upstreams: [{name: github, oauth2: {preset: github, client_id: a, client_secret: file:secret}}]";
        let text = format!(
            "backends: {{it: {{url: '{url}{PATH}', auth: {auth}}}}}\n\
             authorization_server: {{{upstreams}}}\nstore: {{memory: true}}\n"
        );
        let file = folder.path().join("gateway.yaml").display().to_string();
        let (config, _) = config::parse(&file, &text).unwrap();
        let memory = Memory::new(Arc::new(SystemClock), 10);
        let store = Store::in_memory(memory, config.store.unwrap().seal);
        let upstreams = config.authorization_server.unwrap().upstreams;
        let clock: Arc<dyn countersign::clock::Clock> = Arc::new(SystemClock);
        let renewal = Upstreams::new(upstreams, &[], &clock).renewal();
        let tokens = Tokens::new(Connections::new(store), renewal);
        let backend = config.backends.into_iter().next().unwrap();
        upstream::backend(backend, Some(&tokens)).unwrap()
    }

    async fn oracle() -> (OracleServer, Book) {
        let book = Book::new(Clock::default());
        let oracle = Oracle::new(book.clone(), "execute-api", "us-east-1");
        (OracleServer::start(oracle, Everything::default().router()).await, book)
    }

    fn signing(more: &str) -> String {
        format!("{{aws: {{service: execute-api, region: us-east-1, {more}}}}}")
    }

    #[tokio::test]
    async fn nobody_is_asked_in_a_callers_name_without_a_caller() {
        let (server, _) = oracle().await;
        let role = "roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";
        for auth in [
            "{upstream_token: {provider: github}}",
            "{token_exchange: {token_url: 'https://a.example/', client_id: a, client_authentication: none}}",
            &signing(&format!("credentials: {{web_identity: caller}}, {role}")),
        ] {
            let backend = backend(&server.url(), auth, "hush");
            assert_eq!(backend.probe().await, Health::NotProbed, "{auth}");
        }
        assert!(server.oracle().seen().is_empty(), "that it answers 401 would have been a sign of life");
    }

    #[tokio::test]
    async fn this_servers_own_identity_finds_out() {
        let (server, book) = oracle().await;
        let user = book.issue_user("123456789012", "gateway");
        let keys = format!("access_key_id: {}, secret_access_key: file:secret", user.access_key_id);
        let role = "roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";
        for more in ["credentials: service".to_owned(), format!("credentials: brokered, {role}")] {
            let auth = signing(&format!("{more}, service_identity: {{{keys}}}"));
            let good = backend(&server.url(), &auth, &user.secret_access_key);
            assert_eq!(good.probe().await, Health::Answers, "{more}");
            let seen = server.oracle().seen().pop().unwrap();
            assert_eq!(seen.principal().unwrap().arn, "arn:aws:iam::123456789012:user/gateway");
            let bad = backend(&server.url(), &auth, "not-the-secret");
            assert_eq!(bad.probe().await, Health::Refuses(StatusCode::FORBIDDEN), "{more}");
        }
    }

    #[tokio::test]
    async fn each_kind_of_trouble_has_a_name() {
        let (server, _) = oracle().await;
        let unsigned = backend(&server.url(), "none", "hush");
        assert!(matches!(unsigned.probe().await, Health::Refuses(_)));
        server.faults().add(PATH, Fault::Status(502), Some(1));
        assert_eq!(unsigned.probe().await, Health::Fails(StatusCode::BAD_GATEWAY));
        server.faults().add(PATH, Fault::Reset, Some(1));
        assert!(matches!(unsigned.probe().await, Health::Silent(_)));
        let open = Server::start(Everything::default().router()).await;
        for auth in ["none", "{headers: {x-api-key: file:secret}}", "{query: {key: file:secret}}"] {
            assert_eq!(backend(&open.url(), auth, "hush").probe().await, Health::Answers, "{auth}");
        }
    }
}
