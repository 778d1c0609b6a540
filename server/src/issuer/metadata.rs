//! What the server says of itself (RFC 8414).

use super::authorize::Offer;
use serde_json::{Value, json};

pub(super) const DESCRIPTION: &str = "/.well-known/oauth-authorization-server";
pub(super) const AUTHORIZE: &str = "/oauth/authorize";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const REGISTER: &str = "/oauth/register";
pub(super) const REVOKE: &str = "/oauth/revoke";
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// The document at [`DESCRIPTION`], of a server at which clients may register themselves if it is `open`.
pub(super) fn document(offer: &Offer, open: bool) -> Value {
    let at = |path: &str| format!("{}{path}", offer.issuer.trim_end_matches('/'));
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    let mut document = json!({
        "issuer": offer.issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "revocation_endpoint": at(REVOKE),
        "jwks_uri": at(JWKS),
        "scopes_supported": offer.scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": offer.resources,
    });
    if let Some(members) = document.as_object_mut().filter(|_| open) {
        members.insert("registration_endpoint".to_owned(), at(REGISTER).into());
    }
    document
}
