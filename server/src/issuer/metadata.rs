//! What the server says of itself (RFC 8414).

use super::{
    authorize::Offer,
    client::{Clients, GrantType},
};
use serde_json::{Value, json};

pub(super) const DESCRIPTION: &str = "/.well-known/oauth-authorization-server";
pub(super) const AUTHORIZE: &str = "/oauth/authorize";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const REGISTER: &str = "/oauth/register";
pub(super) const REVOKE: &str = "/oauth/revoke";
pub(super) const INTROSPECT: &str = "/oauth/introspect";
pub(super) const JWKS: &str = "/.well-known/jwks.json";

/// The document at [`DESCRIPTION`], of a server at which clients may register themselves if it is `open`.
pub(super) fn document(offer: &Offer, clients: &Clients, open: bool) -> Value {
    let at = |path: &str| format!("{}{path}", offer.issuer.trim_end_matches('/'));
    let methods = methods(clients);
    let proving: Vec<_> = methods.iter().filter(|method| **method != "none").collect();
    let grants: Vec<_> = clients.grants().into_iter().map(GrantType::name).collect();
    let mut document = json!({
        "issuer": offer.issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "revocation_endpoint": at(REVOKE),
        "introspection_endpoint": at(INTROSPECT),
        "jwks_uri": at(JWKS),
        "scopes_supported": offer.scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": proving,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "protected_resources": offer.resources,
    });
    if let Some(members) = document.as_object_mut().filter(|_| open) {
        members.insert("registration_endpoint".to_owned(), at(REGISTER).into());
    }
    if clients.has_described()
        && let Some(members) = document.as_object_mut()
    {
        members.insert("client_id_metadata_document_supported".to_owned(), true.into());
        for name in ["token_endpoint_auth", "revocation_endpoint_auth", "introspection_endpoint_auth"] {
            members.insert(format!("{name}_signing_alg_values_supported"), json!(ASSERTED_WITH));
        }
    }
    document
}

/// What clients sign with that prove themselves with a key.
const ASSERTED_WITH: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// How clients show that they are themselves.
fn methods(clients: &Clients) -> Vec<&'static str> {
    let by_key = clients.has_described().then_some("private_key_jwt");
    ["none", "client_secret_basic", "client_secret_post"].into_iter().chain(by_key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{
        client::Described,
        fetch::Fetcher,
        reach::Reach,
        testing::{Scene, clients, offer},
    };

    #[test]
    fn what_is_not_there_is_not_announced() {
        let scene = Scene::new();
        let clients = clients(&scene);
        let plain = document(&offer(), &clients, true);
        assert_eq!(plain.get("client_id_metadata_document_supported"), None);
        assert!(!plain.to_string().contains("private_key_jwt"));
        assert_eq!(plain["introspection_endpoint_auth_methods_supported"][0], "client_secret_basic");
        let grants = plain["grant_types_supported"].as_array().unwrap();
        assert!(grants.contains(&json!("urn:ietf:params:oauth:grant-type:jwt-bearer")));

        let audiences = ["https://mcp.example.com", "https://mcp.example.com/oauth/token"];
        let fetcher = Fetcher::new(Reach::Public).unwrap();
        let described = Described::new(fetcher, audiences, scene.store.clone(), scene.clock());
        let told = document(&offer(), &clients.with_described(described), true);
        assert_eq!(told["client_id_metadata_document_supported"], true);
        assert_eq!(told["token_endpoint_auth_methods_supported"][3], "private_key_jwt");
        assert_eq!(told["token_endpoint_auth_signing_alg_values_supported"][8], "EdDSA");
    }
}
