//! Where an issuer keeps its keys (OpenID Connect Discovery, RFC 8414).

use crate::fetch::{Fetcher, json};
use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// The address of the key set, from the first of `candidates` that answers; its document has to name `issuer`.
pub(super) async fn jwks_uri(fetcher: &Fetcher, issuer: &str, candidates: &[Url]) -> Result<Url, String> {
    let mut failures = Vec::new();
    for url in candidates {
        match fetcher.document(url).await {
            Ok((document, _)) => {
                return read(issuer, &document).map_err(|problem| format!("{url}: {problem}"));
            }
            Err(problem) => failures.push(format!("{url}: {problem}")),
        }
    }
    Err(failures.join("; "))
}

/// Both well-known addresses of an issuer: OpenID's with the path in front, the OAuth one with it behind.
pub(super) fn candidates(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    [
        format!("{path}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server{path}"),
    ]
    .into_iter()
    .map(|path| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    })
    .collect()
}

fn read(issuer: &str, document: &[u8]) -> Result<Url, String> {
    let metadata: Metadata =
        json::object(document).map_err(|error| format!("it is not a discovery document: {error}"))?;
    if metadata.issuer != issuer {
        return Err("it belongs to another issuer than the one configured".to_owned());
    }
    Url::parse(&metadata.jwks_uri).map_err(|error| format!("its jwks_uri is no address: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_addresses() {
        let of = |issuer: &str| -> Vec<String> {
            candidates(&Url::parse(issuer).unwrap()).iter().map(Url::to_string).collect()
        };
        assert_eq!(
            of("https://login.example.com"),
            [
                "https://login.example.com/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            of("https://login.example.com/tenant/"),
            [
                "https://login.example.com/tenant/.well-known/openid-configuration",
                "https://login.example.com/.well-known/oauth-authorization-server/tenant",
            ]
        );
    }

    #[test]
    fn the_document_must_be_the_issuers_own() {
        let document = br#"{"issuer": "https://i", "jwks_uri": "https://i/keys"}"#;
        assert_eq!(read("https://i", document).unwrap().as_str(), "https://i/keys");
        assert!(read("https://i/", document).unwrap_err().contains("another issuer"));
        assert!(read("https://i", b"{}").unwrap_err().contains("not a discovery document"));
        assert!(read("https://i", br#"["https://i", "https://i/keys"]"#).is_err());
    }
}
