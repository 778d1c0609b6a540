//! How a client gets a token for somebody: it registers, the person signs in with a browser and agrees, and what comes
//! back is redeemed.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign_fixtures::{
    client::{Answer, Plain, encode},
    person::Person,
};
use serde_json::{Value, json};

const BACK: &str = "http://127.0.0.1:9/callback";

/// Signs `who` in at the gateway with this address. `Err` says what went wrong.
pub(super) async fn token(gateway: &str, who: &str) -> Result<String, String> {
    let http = Plain::default();
    let server = http.fetch(&format!("{gateway}/.well-known/oauth-authorization-server")).await;
    let (registers, asks, redeems) = (
        said(&server, "registration_endpoint")?,
        said(&server, "authorization_endpoint")?,
        said(&server, "token_endpoint")?,
    );
    let wish =
        json!({"client_name": "The demo", "redirect_uris": [BACK], "token_endpoint_auth_method": "none"});
    let client = said(&http.post_json(&registers, &wish).await, "client_id")?;

    // Whoever sees the address that the browser is sent to learns only its hash.
    let verifier = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, client.as_bytes()));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let resource = format!("{gateway}{}", crate::config::resolved::ENDPOINT);
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", &client),
        ("redirect_uri", BACK),
        ("resource", &resource),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let back = Person::called(who).try_walk(&format!("{asks}?{query}"), BACK).await;
    let back = back.map_err(|stopped| stopped.to_string())?;
    let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
    let code = code.ok_or_else(|| format!("no code came back: {back}"))?;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", &verifier),
    ];
    said(&http.post_form(&redeems, &form).await, "access_token")
}

fn said(answer: &Answer, name: &str) -> Result<String, String> {
    let text = answer.text();
    let said: Option<Value> = serde_json::from_str(&text).ok();
    let said = said.as_ref().and_then(|said| said.get(name)?.as_str());
    said.map(str::to_owned).ok_or_else(|| format!("{}: no {name}: {text}", answer.status.as_u16()))
}
