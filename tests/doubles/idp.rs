//! The OpenID provider double, judged by `jsonwebtoken` and a plain HTTP client.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test, as it should"
)]

mod journeys;
mod tokens;
mod trouble;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_fixtures::{
    clock::Clock,
    idp::{Behaviour, Client, Idp},
};
use countersign_tests::client::{Answer, Plain, encode};
use jsonwebtoken::{
    DecodingKey, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
    jwk::JwkSet,
};
use serde_json::{Map, Value};
use url::Url;

const BACK: &str = "http://127.0.0.1:4711/callback";
const RESOURCE: &str = "https://mcp.example/mcp";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A provider, a registered public client called `app`, and Alice, who agrees at once.
struct World {
    idp: Idp,
    http: Plain,
}

impl World {
    async fn new() -> Self {
        let idp = Idp::start(Clock::default()).await;
        idp.register(Client::public("app").redirect_to("http://127.0.0.1/callback"));
        idp.script(Behaviour::SignIn("alice".into()));
        Self { idp, http: Plain::default() }
    }

    /// `/authorize` with a request that is in order but for `changes`; an empty value leaves one out.
    async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        self.http.fetch(&self.authorize_url(changes)).await
    }

    fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", BACK),
            ("scope", "openid email"),
            ("state", "st/ate"),
            ("nonce", "n-0S6"),
            ("resource", RESOURCE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.idp.url(&format!("/authorize?{}", encode(&fields)))
    }

    /// A fresh code for `app`.
    async fn code(&self) -> String {
        sent_back(&self.authorize(&[]).await, "code").expect("alice agrees")
    }

    async fn redeem(&self, code: &str, verifier: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", verifier),
        ])
        .await
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)]).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.http.post_form(&self.idp.url("/token"), fields).await
    }

    async fn published(&self) -> JwkSet {
        let answer = self.http.fetch(&self.idp.jwks_uri()).await;
        serde_json::from_slice(&answer.body).expect("this is a key set")
    }

    /// Whether a relying party that does everything right would believe `token`.
    async fn check(&self, token: &str, audience: &str) -> Result<Map<String, Value>, Error> {
        check(&self.published().await, self.idp.issuer(), token, audience)
    }
}

fn check(published: &JwkSet, issuer: &str, token: &str, audience: &str) -> Result<Map<String, Value>, Error> {
    let header = decode_header(token)?;
    let key = header.kid.and_then(|kid| published.find(&kid)).ok_or(ErrorKind::InvalidKeyFormat)?;
    let mut validation = Validation::new(header.alg);
    validation.validate_nbf = true;
    validation.leeway = 0;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    Ok(decode(token, &DecodingKey::from_jwk(key)?, &validation)?.claims)
}

/// A parameter of the redirect URI a browser was sent back to.
fn sent_back(answer: &Answer, name: &str) -> Option<String> {
    let location = Url::parse(answer.header("location")).ok()?;
    let mut pairs = location.query_pairs();
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Header (0) or claims (1), read without judging.
fn part(token: &str, index: usize) -> Value {
    let encoded = token.split('.').nth(index).expect("a token has three parts");
    let decoded = URL_SAFE_NO_PAD.decode(encoded).expect("parts are base64url");
    serde_json::from_slice(&decoded).expect("parts are JSON")
}

fn text(answer: &Answer, member: &str) -> String {
    let json = answer.json();
    let value = json.get(member).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no `{member}` in {json}")).to_owned()
}
