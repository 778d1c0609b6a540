//! An authorization server's token endpoint, and how we say there who we are.
//!
//! What exchanges or renews tokens is told by a [`TokenEndpoint`] where to go. The address has to be https, or on this
//! machine; redirects are not followed, answers are small and quick or they are none, and nothing of them is shown to
//! callers.
//!
//! ```
//! use countersign::token_endpoint::{ClientAuthentication, TokenEndpoint};
//!
//! let login = TokenEndpoint::new(
//!     "https://login.example.com/oauth2/token",
//!     ClientAuthentication::basic("gateway", "sesame".into()),
//! );
//! assert!(!format!("{login:?}").contains("sesame"));
//! ```

mod answer;
mod ask;
mod client_authentication;
mod client_key;
mod problem;

pub(crate) use self::{
    answer::{Code, Failure, Granted},
    ask::TokenClient,
};
pub use self::{client_authentication::ClientAuthentication, client_key::ClientKey, problem::ConfigError};

use crate::{
    clock::Clock,
    fetch::{Fetcher, Reach, is_loopback},
};
use std::sync::Arc;
use url::Url;

/// Where tokens are had, and who we are there.
#[derive(Clone, Debug)]
pub struct TokenEndpoint {
    url: String,
    client: ClientAuthentication,
    authorities: Option<Vec<u8>>,
    private_addresses: bool,
}

impl TokenEndpoint {
    /// The endpoint at `url`, as a server's metadata name it in `token_endpoint`.
    pub fn new(url: impl Into<String>, client: ClientAuthentication) -> Self {
        Self { url: url.into(), client, authorities: None, private_addresses: false }
    }

    /// Trusts the certificate authorities of this PEM bundle, instead of the system's.
    #[must_use]
    pub fn with_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Lets the endpoint be in a private network.
    #[must_use]
    pub fn dangerous_allow_private_addresses(mut self) -> Self {
        self.private_addresses = true;
        self
    }

    /// Parses everything, and says all that is wrong; `what` is what this endpoint is called in a configuration.
    pub(crate) fn resolve(self, what: &str, clock: Arc<dyn Clock>) -> Result<TokenClient, Vec<String>> {
        let mut problems = Vec::new();
        let url = match Url::parse(&self.url) {
            Ok(url) if url.has_host() && url.fragment().is_none() => Some(url),
            Ok(_) => {
                let hint = "write it as https://host/path, without a fragment";
                problems.push(format!("{what}: {:?} is no token endpoint; {hint}", self.url));
                None
            }
            Err(error) => {
                let hint = "write it as https://host/path";
                problems.push(format!("{what}: {:?} is no address ({error}); {hint}", self.url));
                None
            }
        };
        let loopback = url.as_ref().is_some_and(is_loopback);
        let reach = Reach { loopback, private: self.private_addresses };
        if let Some(problem) = url.as_ref().and_then(|url| reach.check(url).err()) {
            let hint = "use https, and allow private addresses where they are meant";
            problems.push(format!("{what}: {problem}; {hint}"));
        }
        if let Err(problem) = self.client.check() {
            problems.push(format!("{what}: {problem}"));
        }
        let fetcher = Fetcher::trusting(reach, self.authorities.as_deref());
        match (url, fetcher) {
            (Some(url), Ok(fetcher)) if problems.is_empty() => {
                Ok(TokenClient::new(url, self.client, fetcher, clock))
            }
            (_, fetcher) => {
                problems.extend(fetcher.err().map(|problem| format!("{what}: {problem}")));
                Err(problems)
            }
        }
    }
}

/// Whether `text` is a scope-token (RFC 6749, section 3.3).
#[cfg(feature = "exchange")]
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn what_cannot_work_is_told_at_once() {
        let client = || ClientAuthentication::basic("us", "hush".into());
        let problems =
            |endpoint: TokenEndpoint| endpoint.resolve("login", Arc::new(SystemClock)).unwrap_err();
        for (url, complaint) in [
            ("nowhere", "is no address"),
            ("https://login.example.com/#token", "without a fragment"),
            ("http://login.example.com/token", "is not https"),
            ("https://10.0.0.1/token", "is a private address"),
        ] {
            let problems = problems(TokenEndpoint::new(url, client()));
            assert!(problems.len() == 1 && problems[0].starts_with("login: "), "{problems:?}");
            assert!(problems[0].contains(complaint), "{problems:?}");
        }
        let nobody = TokenEndpoint::new("https://10.0.0.1/", ClientAuthentication::public(""));
        assert_eq!(problems(nobody.with_authorities("no pem")).len(), 3);
        let sidecar = TokenEndpoint::new("http://127.0.0.1:9000/token", client());
        assert!(sidecar.resolve("login", Arc::new(SystemClock)).is_ok(), "this machine may be named");
    }
}
