//! What a client says of itself at the address that is its id (Client ID Metadata Documents).

use super::{Client, GrantType, Proof, PublicKeys, address::Address, registration::redirects};
use countersign::identity::LocalKeys;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What of the document is looked at.
#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// What nobody can share with everybody.
    client_secret: Option<Value>,
    client_secret_expires_at: Option<Value>,
}

const LONGEST_NAME: usize = 128;

/// The client that a document describes.
///
/// # Errors
///
/// What is wrong with it, as a clause.
pub(super) fn read(address: &Address, text: &[u8]) -> Result<Client, String> {
    // Only an object: a list would pass for one.
    let object: serde_json::Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| "it is no JSON object".to_owned())?;
    let document: Document = serde_json::from_value(Value::Object(object)).map_err(|_| {
        "`client_id`, `client_name` and `redirect_uris` are not all there with the right types".to_owned()
    })?;
    if document.client_id != address.as_str() {
        return Err("its `client_id` is not the address that it is at, letter for letter".to_owned());
    }
    if document.client_secret.is_some() || document.client_secret_expires_at.is_some() {
        return Err("it has a `client_secret`, which everybody can read".to_owned());
    }
    let name = document.client_name;
    if name.trim().is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err("`client_name` is empty, longer than 128 bytes, or holds control characters".to_owned());
    }
    if document.response_types.is_some_and(|types| !types.iter().any(|one| one == "code")) {
        return Err("`response_types` does not hold code".to_owned());
    }
    let redirects = redirects(&document.redirect_uris).map_err(|refusal| refusal.what().to_owned())?;
    let grants = grants(document.grant_types.as_deref())?;
    let proof = match document.token_endpoint_auth_method.as_deref() {
        None | Some("none") => Proof::None,
        Some("private_key_jwt") => Proof::Key(public_keys(address, document.jwks, document.jwks_uri)?),
        Some(_) => return Err("`token_endpoint_auth_method` is none or private_key_jwt".to_owned()),
    };
    Ok(Client { id: document.client_id, name: Some(name), redirects, proof, grants })
}

/// The keys of a set that was fetched by itself.
///
/// # Errors
///
/// What is wrong with it, as a clause.
pub(super) fn read_keys(_: &Address, text: &[u8]) -> Result<LocalKeys, String> {
    let text = str::from_utf8(text).map_err(|_| "its `jwks_uri` leads to no text".to_owned())?;
    LocalKeys::parse(text).map_err(|error| error.to_string())
}

/// What of the grants there are it may use. It is one document for many servers, so others may stand in it too.
fn grants(named: Option<&[String]>) -> Result<BTreeSet<GrantType>, String> {
    let usual = GrantType::for_people();
    let Some(named) = named else { return Ok(usual) };
    let grants: BTreeSet<_> =
        usual.into_iter().filter(|grant| named.iter().any(|name| name == grant.name())).collect();
    if grants.contains(&GrantType::AuthorizationCode) {
        Ok(grants)
    } else {
        Err("`grant_types` does not hold authorization_code".to_owned())
    }
}

fn public_keys(
    address: &Address,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
) -> Result<PublicKeys, String> {
    if address.as_str().contains('?') {
        // It stands as the issuer in what the client signs, and an issuer has no query.
        return Err("with private_key_jwt its address may have no query".to_owned());
    }
    match (jwks, jwks_uri) {
        (Some(jwks), None) => {
            let jwks = jwks.to_string();
            LocalKeys::parse(&jwks).map_err(|_| {
                "`jwks` is no set of up to 64 public keys, or holds a private half".to_owned()
            })?;
            Ok(PublicKeys::Given(jwks))
        }
        (None, Some(at)) => Ok(PublicKeys::At(at)),
        (Some(_), Some(_)) => Err("it has both `jwks` and `jwks_uri`".to_owned()),
        (None, None) => Err("private_key_jwt needs `jwks` or `jwks_uri`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::reach::Reach;
    use serde_json::json;

    const ID: &str = "https://client.example/oauth/metadata.json";

    fn with(name: &str, value: Value) -> Result<Client, String> {
        let mut document = json!({
            "client_id": ID,
            "client_name": "An inspector",
            "redirect_uris": ["http://127.0.0.1:3000/callback", "https://client.example/callback"],
        });
        document[name] = value;
        read(&Address::parse(ID, Reach::Public).unwrap(), document.to_string().as_bytes())
    }

    fn jwk() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    #[test]
    fn what_clients_really_publish_is_understood() {
        let client = with("client_uri", json!("https://client.example")).unwrap();
        assert_eq!((client.id.as_str(), client.name.as_deref()), (ID, Some("An inspector")));
        assert_eq!((client.redirects.len(), &client.proof), (2, &Proof::None));
        assert_eq!(client.grants, GrantType::for_people());
        let wide = json!([
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:device_code",
            "client_credentials"
        ]);
        let client = with("grant_types", wide).unwrap();
        assert_eq!(client.grants, BTreeSet::from([GrantType::AuthorizationCode]));
        with("token_endpoint_auth_method", json!("none")).unwrap();
        with("response_types", json!(["code", "id_token"])).unwrap();
    }

    #[test]
    fn a_document_that_describes_somebody_else_or_nobody_is_refused() {
        for (name, value, said) in [
            ("client_id", json!("https://client.example/oauth/metadata.json/"), "letter for letter"),
            ("client_id", json!("https://CLIENT.example/oauth/metadata.json"), "letter for letter"),
            ("client_id", json!("https://evil.example/client"), "letter for letter"),
            ("client_id", json!(null), "right types"),
            ("client_name", json!(null), "right types"),
            ("client_name", json!("  "), "client_name"),
            ("client_name", json!("a\u{1b}[2Jb"), "client_name"),
            ("client_name", json!("x".repeat(129)), "client_name"),
            ("redirect_uris", json!([]), "redirect_uris"),
            ("redirect_uris", json!(["http://client.example/callback"]), "number 1: http is"),
            ("redirect_uris", json!(["javascript:alert(1)"]), "number 1"),
            ("redirect_uris", json!("https://client.example/callback"), "right types"),
            ("client_secret", json!("s"), "client_secret"),
            ("client_secret_expires_at", json!(0), "client_secret"),
            ("token_endpoint_auth_method", json!("client_secret_basic"), "none or private_key_jwt"),
            ("token_endpoint_auth_method", json!("client_secret_jwt"), "none or private_key_jwt"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "needs `jwks`"),
            ("grant_types", json!(["client_credentials"]), "authorization_code"),
            ("response_types", json!(["token"]), "code"),
        ] {
            let refused = with(name, value.clone()).unwrap_err();
            assert!(refused.contains(said), "{name} {value}: {refused}");
        }
        let address = Address::parse(ID, Reach::Public).unwrap();
        for text in ["", "{", "null", "\"x\"", "[]", "[\"a\", \"b\", []]", "{}"] {
            assert!(read(&address, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn public_keys_are_there_in_one_way() {
        let with = |members: Value, id: &str| {
            let mut document = json!({
                "client_id": id,
                "client_name": "A service",
                "redirect_uris": ["https://client.example/callback"],
                "token_endpoint_auth_method": "private_key_jwt",
            });
            let all = document.as_object_mut().unwrap();
            all.extend(members.as_object().unwrap().clone());
            read(&Address::parse(id, Reach::Public).unwrap(), document.to_string().as_bytes())
        };
        let jwks = json!({"keys": [jwk()]});
        let client = with(json!({"jwks": jwks}), ID).unwrap();
        assert!(matches!(client.proof, Proof::Key(PublicKeys::Given(_))));
        let client = with(json!({"jwks_uri": "https://client.example/keys"}), ID).unwrap();
        assert_eq!(client.proof, Proof::Key(PublicKeys::At("https://client.example/keys".into())));

        let mut private = jwk();
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        for (members, said) in [
            (json!({"jwks": jwks, "jwks_uri": "https://client.example/keys"}), "both"),
            (json!({"jwks": {"keys": [private]}}), "private half"),
            (json!({"jwks": []}), "public keys"),
        ] {
            let refused = with(members, ID).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
        let refused = with(json!({"jwks": jwks}), "https://client.example/client?v=1").unwrap_err();
        assert!(refused.contains("no query"), "{refused}");
    }
}
