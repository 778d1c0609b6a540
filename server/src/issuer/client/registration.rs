//! What a client says of itself when it registers (RFC 7591).

use super::super::{
    error::{Code, Refusal},
    redirect::Redirect,
};
use serde::Deserialize;

/// A registration that can be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::issuer) struct Wish {
    pub(super) name: Option<String>,
    pub(super) redirects: Vec<Redirect>,
    /// Whether it can keep a secret.
    pub(super) secret: bool,
}

/// What of the document is looked at. What else there is is no harm, and no use.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

const MOST_REDIRECTS: usize = 16;
const LONGEST_NAME: usize = 128;

impl Wish {
    /// # Errors
    ///
    /// What the client's developer has to change.
    pub(in crate::issuer) fn parse(document: &[u8]) -> Result<Self, Refusal> {
        let wrong = |what: &str| Refusal::new(Code::InvalidClientMetadata, what);
        let document: Document = serde_json::from_slice(document)
            .map_err(|_| wrong("the registration is no JSON object with members of the right types"))?;
        let only = |offered: &Option<Vec<String>>, known: &[&str]| {
            offered.iter().flatten().all(|one| known.contains(&one.as_str()))
        };
        if !only(&document.grant_types, &["authorization_code", "refresh_token"]) {
            return Err(wrong("`grant_types` may hold authorization_code and refresh_token"));
        }
        if !only(&document.response_types, &["code"]) {
            return Err(wrong("`response_types` may hold code"));
        }
        let secret = match document.token_endpoint_auth_method.as_deref() {
            None | Some("none") => false,
            Some("client_secret_basic" | "client_secret_post") => true,
            Some(_) => {
                return Err(wrong(
                    "`token_endpoint_auth_method` is none, client_secret_basic or client_secret_post",
                ));
            }
        };
        let name = document.client_name.filter(|name| !name.trim().is_empty());
        if name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME || name.chars().any(char::is_control)) {
            return Err(wrong("`client_name` is longer than 128 bytes, or holds control characters"));
        }
        Ok(Self { name, redirects: redirects(&document.redirect_uris)?, secret })
    }
}

pub(super) fn redirects(told: &[String]) -> Result<Vec<Redirect>, Refusal> {
    let wrong = |what: String| Refusal::new(Code::InvalidRedirectUri, what);
    if told.is_empty() || told.len() > MOST_REDIRECTS {
        return Err(wrong(format!("`redirect_uris` has to name between one and {MOST_REDIRECTS} addresses")));
    }
    let parsed = told.iter().enumerate().map(|(at, text)| {
        Redirect::parse(text).map_err(|what| wrong(format!("`redirect_uris` number {}: {what}", at + 1)))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(document: &Value) -> Result<Wish, Refusal> {
        Wish::parse(document.to_string().as_bytes())
    }

    #[test]
    fn what_clients_really_send_is_understood() {
        let wish = parsed(&json!({
            "client_name": "An inspector",
            "redirect_uris": ["http://localhost:6274/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "mcp:read",
            "client_uri": "https://client.example",
            "software_id": "x",
        }))
        .unwrap();
        assert_eq!(wish.name.as_deref(), Some("An inspector"));
        assert!(!wish.secret);
        assert!(parsed(&json!({"redirect_uris": ["cursor://x/callback"], "token_endpoint_auth_method": "client_secret_post"})).unwrap().secret);
    }

    #[test]
    fn what_cannot_be_granted_is_told() {
        let with = |name: &str, value: Value| {
            let mut document = json!({"redirect_uris": ["https://client.example/callback"]});
            document[name] = value;
            parsed(&document).unwrap_err()
        };
        let many: Vec<String> = (0..17).map(|n| format!("https://client.example/{n}")).collect();
        for (name, value, code, said) in [
            ("redirect_uris", json!([]), Code::InvalidRedirectUri, "between one and 16"),
            ("redirect_uris", json!(many), Code::InvalidRedirectUri, "between one and 16"),
            (
                "redirect_uris",
                json!(["http://client.example/"]),
                Code::InvalidRedirectUri,
                "number 1: http is",
            ),
            ("redirect_uris", json!("https://client.example/"), Code::InvalidClientMetadata, "right types"),
            ("grant_types", json!(["implicit"]), Code::InvalidClientMetadata, "grant_types"),
            ("response_types", json!(["token"]), Code::InvalidClientMetadata, "response_types"),
            (
                "token_endpoint_auth_method",
                json!("private_key_jwt"),
                Code::InvalidClientMetadata,
                "auth_method",
            ),
            ("client_name", json!("x".repeat(129)), Code::InvalidClientMetadata, "client_name"),
            ("client_name", json!("a\nb"), Code::InvalidClientMetadata, "client_name"),
        ] {
            let refusal = with(name, value.clone());
            assert_eq!(refusal.code(), code, "{name} {value}");
            assert!(refusal.what().contains(said), "{name} {value}: {}", refusal.what());
        }
        for document in ["", "[]", "{", "null"] {
            assert!(Wish::parse(document.as_bytes()).is_err(), "{document}");
        }
    }
}
