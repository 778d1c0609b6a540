//! Accounts at the double of a provider: somebody signs in there, for a client that gets tokens for it.

use crate::client::{Plain, encode};
use countersign_fixtures::idp::{AuthMethod, Behaviour, Client, Idp};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use url::Url;

/// What the client is called at the provider.
pub const CLIENT: &str = "gateway";
/// Its secret there, which goes into forms.
pub const SECRET: &str = "of-the-gateway";

const BACK: &str = "http://127.0.0.1:4711/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Lets the provider know the client.
pub fn introduce(provider: &Idp) {
    let client = Client::confidential(CLIENT, SECRET, AuthMethod::ClientSecretPost);
    provider.register(client.redirect_to("http://127.0.0.1/callback"));
}

/// `subject` signs in at `provider`; the answer of its token endpoint.
pub async fn sign_in(provider: &Idp, subject: &str) -> Value {
    introduce(provider);
    provider.script(Behaviour::SignIn(subject.into()));
    let http = Plain::default();
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let back = http.fetch(&provider.url(&format!("/authorize?{query}"))).await;
    let back = Url::parse(back.header("location")).expect("it leads back");
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").expect("there is a code");
    let form = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ]);
    let request = Request::post(provider.url("/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(form))
        .expect("it is a request");
    let answer = http.send(request).await.expect("the provider answers");
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}
