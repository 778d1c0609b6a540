//! The npm package oidc-provider.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use crate::{
    client::{Plain, encode},
    peers,
    person::Person,
    process::Counterpart,
};
use http::StatusCode;
use serde_json::Value;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/npm/oidc-provider.mjs");
const BACK: &str = "http://127.0.0.1:4711/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The running provider, and what its discovery document says.
#[derive(Debug)]
pub struct Provider {
    /// As it stands in its tokens.
    pub issuer: String,
    metadata: Value,
    _process: Counterpart,
}

impl Provider {
    /// Starts it on a free loopback port.
    pub async fn start() -> Self {
        let mut command = Command::new(peers::node());
        command.arg(SCRIPT).env("COUNTERSIGN_NPM", peers::npm());
        let mut process = Counterpart::start(&mut command);
        let issuer = process.wait_for("issuer:").await;
        let url = format!("{issuer}/.well-known/openid-configuration");
        Self { metadata: Plain::default().fetch(&url).await.json(), issuer, _process: process }
    }

    /// One of the addresses in its discovery document.
    pub fn endpoint(&self, name: &str) -> &str {
        text(&self.metadata, name)
    }

    /// Code with PKCE, through the provider's own pages.
    pub async fn sign_in(&self, name: &str, resource: &str) -> Value {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", BACK),
            ("scope", "openid offline_access mcp read"),
            ("prompt", "consent"),
            ("resource", resource),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let first = format!("{}?{query}", self.endpoint("authorization_endpoint"));
        let back = Person::called(name).walk(&first, BACK).await;
        let code = back
            .query_pairs()
            .find_map(|(name, value)| (name == "code").then(|| value.into_owned()))
            .unwrap_or_else(|| panic!("no code: {back}"));
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("resource", resource),
        ])
        .await
    }

    /// New tokens for the refresh token among `tokens`.
    pub async fn refresh(&self, tokens: &Value, resource: &str) -> Value {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", text(tokens, "refresh_token")),
            ("resource", resource),
        ])
        .await
    }

    async fn token(&self, form: &[(&str, &str)]) -> Value {
        let answer = Plain::default().post_form(self.endpoint("token_endpoint"), form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }
}

/// A member of an object that is a text.
pub fn text<'j>(json: &'j Value, member: &str) -> &'j str {
    json[member].as_str().unwrap_or_else(|| panic!("no {member} in {json}"))
}
