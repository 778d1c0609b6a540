//! An issuer that is trusted, and on what terms.

use super::{
    claims::Demands,
    discovery,
    introspection::{Introspection, Introspector, TURNS},
    key::Algorithm,
    key_set::LocalKeys,
    remote_keys::{RemoteKeys, Source},
};
use crate::{
    clock::Clock,
    fetch::{Fetcher, Reach, is_loopback},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use url::Url;

/// An issuer whose tokens are believed, for one audience or several.
///
/// Unless told otherwise its keys are found by discovery, every asymmetric algorithm is accepted, and clocks may
/// differ by 30 seconds.
///
/// ```
/// use countersign::identity::{Algorithm, Issuer};
/// use serde_json::json;
///
/// let issuer = Issuer::new("https://login.example.com", "https://api.example.com")
///     .with_algorithms([Algorithm::Rs256, Algorithm::Es256])
///     .with_required_scopes(["mcp"])
///     .with_required_claim("tenant", json!("acme"))
///     .with_token_type("at+jwt");
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    demands: Demands,
    algorithms: Vec<Algorithm>,
    keys: Keys,
    introspection: Option<Introspection>,
    authorities: Option<Vec<u8>>,
    private_addresses: bool,
    cool_down: Duration,
}

const SHORTEST_COOL_DOWN: Duration = Duration::from_secs(1);
const LONGEST_LEEWAY: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
enum Keys {
    Discovered,
    DiscoveredAt(String),
    Jwks(String),
    Local(LocalKeys),
}

/// An issuer with everything parsed, ready to judge tokens.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) demands: Demands,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeySource,
    pub(super) introspector: Option<Introspector>,
}

#[derive(Debug)]
pub(super) enum KeySource {
    Local(LocalKeys),
    Remote(Arc<RemoteKeys>),
}

impl Issuer {
    /// Trusts `issuer`, exactly as it stands in its tokens' `iss`, for tokens whose `aud` is or holds `audience`.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            demands: Demands {
                issuer: issuer.into(),
                audiences: vec![audience.into()],
                leeway: Duration::from_secs(30),
                scopes: Vec::new(),
                claims: Vec::new(),
                typ: None,
            },
            algorithms: Algorithm::ALL.into(),
            keys: Keys::Discovered,
            introspection: None,
            authorities: None,
            private_addresses: false,
            cool_down: Duration::from_secs(30),
        }
    }

    /// Another audience that is ours as well.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.demands.audiences.push(audience.into());
        self
    }

    /// Only these algorithms.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Every token must grant all of these.
    #[must_use]
    pub fn with_required_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.demands.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Every token must have this claim with this value, or with a list that holds it.
    #[must_use]
    pub fn with_required_claim(mut self, name: impl Into<String>, value: Value) -> Self {
        self.demands.claims.push((name.into(), value));
        self
    }

    /// Every token's header must have this `typ`, such as `at+jwt`: an ID token is then no access token.
    #[must_use]
    pub fn with_token_type(mut self, typ: impl Into<String>) -> Self {
        self.demands.typ = Some(typ.into());
        self
    }

    /// How far the issuer's clock may be from ours.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.demands.leeway = leeway;
        self
    }

    /// Where the key set is, instead of asking discovery.
    #[must_use]
    pub fn with_jwks_url(mut self, url: impl Into<String>) -> Self {
        self.keys = Keys::Jwks(url.into());
        self
    }

    /// Where the discovery document is, instead of the well-known places.
    #[must_use]
    pub fn with_discovery_url(mut self, url: impl Into<String>) -> Self {
        self.keys = Keys::DiscoveredAt(url.into());
        self
    }

    /// The keys themselves: nothing is fetched.
    #[must_use]
    pub fn with_keys(mut self, keys: LocalKeys) -> Self {
        self.keys = Keys::Local(keys);
        self
    }

    /// Asks the issuer about tokens that are opaque. At most one issuer of a verifier may.
    #[must_use]
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Trusts the certificate authorities of this PEM bundle when fetching, instead of the system's.
    #[must_use]
    pub fn with_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Lets the issuer's documents come from a private network. Off by default, because a document may name any
    /// address.
    #[must_use]
    pub fn dangerous_allow_private_addresses(mut self) -> Self {
        self.private_addresses = true;
        self
    }

    /// How long to wait after fetching keys before an unknown `kid` may cause another fetch (30 seconds).
    #[must_use]
    pub fn with_cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.demands.issuer
    }

    pub(super) fn introspects(&self) -> bool {
        self.introspection.is_some()
    }

    /// Parses everything, and says all that is wrong.
    pub(super) fn resolve(self, clock: &Arc<dyn Clock>) -> Result<Trusted, Vec<String>> {
        let mut problems = Vec::new();
        let name = self.demands.issuer.clone();
        let mut complain = |problem: String| problems.push(format!("issuer {name:?}: {problem}"));
        let base = parse(&self.demands.issuer, "the issuer", &mut complain);
        if let Some(base) = &base
            && (base.query().is_some() || base.fragment().is_some())
        {
            complain("an issuer has neither query nor fragment; remove it".to_owned());
        }
        if self.demands.audiences.iter().any(String::is_empty) {
            complain("an audience is empty; name the `aud` that its tokens for this service have".to_owned());
        }
        if self.algorithms.is_empty() {
            complain("no algorithm is allowed; name at least one".to_owned());
        }
        if let Some(scope) = self.demands.scopes.iter().find(|scope| !is_scope(scope)) {
            complain(format!("{scope:?} is no scope; name each one by itself, without spaces or quotes"));
        }
        if self.cool_down < SHORTEST_COOL_DOWN {
            complain(
                "the cool-down lets strangers have the keys fetched all the time; give it a second"
                    .to_owned(),
            );
        }
        if self.demands.leeway > LONGEST_LEEWAY {
            complain("the leeway keeps expired tokens alive; give it ten minutes at most".to_owned());
        }
        // Only whoever configures this may name a server on this machine.
        let written = match &self.keys {
            Keys::Jwks(url) | Keys::DiscoveredAt(url) => Url::parse(url).ok(),
            Keys::Local(_) | Keys::Discovered => None,
        };
        let reach = Reach {
            loopback: [&base, &written].into_iter().flatten().any(is_loopback),
            private: self.private_addresses,
        };
        let mut endpoint = |text: &str, what: &str| {
            let url = parse(text, what, &mut complain)?;
            match reach.check(&url) {
                Ok(()) => Some(url),
                Err(problem) => {
                    let hint = "use https, and allow private addresses where they are meant";
                    complain(format!("{what}: {problem}; {hint}"));
                    None
                }
            }
        };
        let source = match &self.keys {
            Keys::Local(_) => None,
            Keys::Jwks(url) => endpoint(url, "the address of the key set").map(Source::Jwks),
            Keys::DiscoveredAt(url) => {
                endpoint(url, "the address of the discovery document").map(|url| Source::Discovery(vec![url]))
            }
            Keys::Discovered => endpoint(&self.demands.issuer, "the issuer")
                .map(|issuer| Source::Discovery(discovery::candidates(&issuer))),
        };
        let ask = self
            .introspection
            .as_ref()
            .and_then(|introspection| endpoint(&introspection.endpoint, "the introspection endpoint"));
        let fetcher = match (&source, &ask, &self.authorities) {
            (None, None, None) => None,
            // A bundle is read even if nothing can be fetched, for its problems to be told with the others.
            _ => Fetcher::trusting(reach, self.authorities.as_deref()).map_err(&mut complain).ok(),
        };
        let keys = match (self.keys, source, &fetcher) {
            (Keys::Local(keys), ..) => Some(KeySource::Local(keys)),
            (_, Some(source), Some(fetcher)) => {
                let issuer = &self.demands.issuer;
                let keys = RemoteKeys::new(issuer, source, fetcher.clone(), clock.clone(), self.cool_down);
                Some(KeySource::Remote(Arc::new(keys)))
            }
            _ => None,
        };
        let introspector = match (self.introspection, ask, fetcher) {
            (Some(settings), Some(endpoint), Some(fetcher)) => {
                Some(Introspector { endpoint, settings, fetcher, turns: Arc::new(Semaphore::new(TURNS)) })
            }
            _ => None,
        };
        match keys {
            Some(keys) if problems.is_empty() => {
                Ok(Trusted { demands: self.demands, algorithms: self.algorithms, keys, introspector })
            }
            _ => Err(problems),
        }
    }
}

fn parse(text: &str, what: &str, complain: &mut impl FnMut(String)) -> Option<Url> {
    match Url::parse(text) {
        Ok(url) if url.has_host() => Some(url),
        Ok(_) => {
            complain(format!("{what} has no host; write it as https://host/path"));
            None
        }
        Err(error) => {
            complain(format!("{what} is no address ({error}); write it as https://host/path"));
            None
        }
    }
}

/// A scope-token (RFC 6749, section 3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn what_would_weaken_or_break_every_check_is_refused() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let issuer = || Issuer::new("https://login.example.com", "us");
        for (bad, complaint) in [
            (issuer().with_required_scopes(["read write"]), "is no scope"),
            (issuer().with_required_scopes([""]), "is no scope"),
            (issuer().with_cool_down(Duration::ZERO), "cool-down"),
            (issuer().with_leeway(Duration::MAX), "leeway"),
            (issuer().with_algorithms([]), "no algorithm"),
            (issuer().with_jwks_url("https://10.0.0.1/keys"), "private address"),
            (Issuer::new("https://login.example.com/#x", "us"), "fragment"),
        ] {
            let problems = bad.resolve(&clock).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains(complaint), "{problems:?}");
        }
        let sidecar = issuer().with_jwks_url("http://127.0.0.1:9000/keys");
        assert!(sidecar.resolve(&clock).is_ok(), "this machine may be named");
    }

    #[test]
    fn a_bad_bundle_is_told_whatever_else_is_wrong() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let issuer = || Issuer::new("https://login.example.com", "us").with_authorities("not pem");
        let problems = |issuer: Issuer| issuer.resolve(&clock).unwrap_err();
        assert_eq!(problems(issuer()).len(), 1);
        assert_eq!(problems(issuer().with_jwks_url("http://login.example.com/keys")).len(), 2);
        let local = LocalKeys::parse(r#"{"keys": []}"#).unwrap();
        assert_eq!(problems(issuer().with_keys(local)).len(), 1);
    }
}
