use super::client_key::ClientKey;
use aws_lc_rs::rand;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use url::form_urlencoded::byte_serialize;

/// How we show an authorization server who we are: RFC 6749, section 2.3, and OpenID Connect's `private_key_jwt`.
#[derive(Clone)]
pub struct ClientAuthentication {
    client_id: String,
    method: Method,
}

#[derive(Clone)]
enum Method {
    Basic(SecretString),
    Post(SecretString),
    PrivateKey { key: ClientKey, audience: Option<String> },
    None,
}

/// What of an authentication goes into a request.
pub(super) struct Shown {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) form: Vec<(&'static str, SecretString)>,
}

/// For as long a signed assertion is good: it is used at once.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl ClientAuthentication {
    /// With a secret, in an `Authorization: Basic` header (`client_secret_basic`).
    pub fn basic(client_id: impl Into<String>, secret: SecretString) -> Self {
        Self { client_id: client_id.into(), method: Method::Basic(secret) }
    }

    /// With a secret, in the form (`client_secret_post`).
    pub fn post(client_id: impl Into<String>, secret: SecretString) -> Self {
        Self { client_id: client_id.into(), method: Method::Post(secret) }
    }

    /// With an assertion that we sign anew for each request (`private_key_jwt`).
    pub fn private_key_jwt(client_id: impl Into<String>, key: ClientKey) -> Self {
        Self { client_id: client_id.into(), method: Method::PrivateKey { key, audience: None } }
    }

    /// Not at all: the server knows us as a public client.
    pub fn public(client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), method: Method::None }
    }

    /// Who assertions are for, where that is not the address of the token endpoint: the server's issuer, as a rule.
    /// Only `private_key_jwt` makes any.
    #[must_use]
    pub fn with_assertion_audience(mut self, audience: impl Into<String>) -> Self {
        if let Method::PrivateKey { audience: chosen, .. } = &mut self.method {
            *chosen = Some(audience.into());
        }
        self
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn check(&self) -> Result<(), &'static str> {
        let secret = match &self.method {
            Method::Basic(secret) | Method::Post(secret) => Some(secret.expose_secret()),
            Method::PrivateKey { .. } | Method::None => None,
        };
        match (self.client_id.is_empty(), secret) {
            (true, _) => Err("the client id is empty; name the one that we are registered with"),
            (_, Some("")) => Err("the client's secret is empty; a client without one is public"),
            _ => Ok(()),
        }
    }

    /// Shows who we are to the endpoint at `url`, at `now`; nothing where an assertion cannot be signed.
    pub(super) fn show(&self, url: &str, now: SystemTime) -> Option<Shown> {
        let id = || ("client_id", SecretString::from(self.client_id.clone()));
        Some(match &self.method {
            Method::Basic(secret) => {
                Shown { authorization: Some(basic(&self.client_id, secret)?), form: Vec::new() }
            }
            Method::Post(secret) => {
                Shown { authorization: None, form: vec![id(), ("client_secret", secret.clone())] }
            }
            Method::PrivateKey { key, audience } => {
                let assertion = self.assertion(key, audience.as_deref().unwrap_or(url), now)?;
                let kind = ("client_assertion_type", ASSERTION_TYPE.into());
                Shown { authorization: None, form: vec![id(), kind, ("client_assertion", assertion)] }
            }
            Method::None => Shown { authorization: None, form: vec![id()] },
        })
    }

    fn assertion(&self, key: &ClientKey, audience: &str, now: SystemTime) -> Option<SecretString> {
        let mut random = [0; 16];
        rand::fill(&mut random).ok()?;
        let issued = now.duration_since(UNIX_EPOCH).ok()?;
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": issued.as_secs(),
            "exp": (issued + ASSERTION_LIFETIME).as_secs(),
            "jti": URL_SAFE_NO_PAD.encode(random),
        });
        key.sign(&claims).map(SecretString::from)
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            Method::Basic(_) => "client_secret_basic",
            Method::Post(_) => "client_secret_post",
            Method::PrivateKey { .. } => "private_key_jwt",
            Method::None => "none",
        };
        f.debug_struct("ClientAuthentication")
            .field("client_id", &self.client_id)
            .field("method", &method)
            .finish_non_exhaustive()
    }
}

/// Both halves are form-encoded before they are joined.
fn basic(id: &str, secret: &SecretString) -> Option<HeaderValue> {
    let encode = |part: &str| byte_serialize(part.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}
