//! Who makes tokens for STS: decided by a configuration, and there once the authorization server is open.

use super::{diagnostic::Findings, resolved::Backend};
use axum::http::Uri;
use countersign::{
    Kind,
    sts::{MintOrder, Refusal, TokenMinter},
};
use secrecy::SecretString;
use serde_saphyr::Location;
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

/// That STS is shown tokens which are made here, for one backend.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) by: Minting,
    /// Where that was chosen.
    pub(super) place: Location,
    /// Whether STS is AWS's own, which has to reach this server for its keys.
    pub(super) at_aws: bool,
}

/// The place of whoever does. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Minting(Arc<OnceLock<Box<Mint>>>);

type Mint = dyn Fn(&MintOrder) -> Result<SecretString, Refusal> + Send + Sync;

impl Minting {
    /// From now on `mint` does it. Whoever was there first stays.
    pub(crate) fn is_done_by(
        &self,
        mint: impl Fn(&MintOrder) -> Result<SecretString, Refusal> + Send + Sync + 'static,
    ) {
        // Each place is filled by one server, once.
        let _ = self.0.set(Box::new(mint));
    }
}

impl TokenMinter for Minting {
    fn issuer(&self) -> &str {
        // There is one in a configuration.
        "this gateway's authorization server"
    }

    async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
        let nobody = || Refusal::new(Kind::StsUnavailable, "the authorization server is not open yet");
        self.0.get().ok_or_else(nobody)?(&order)
    }
}

impl fmt::Debug for Minting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minting").field("is_done", &self.0.get().is_some()).finish()
    }
}

/// AWS reads the keys of tokens that are made for it from where we are: over https, and without a port (V-16).
pub(super) fn check_minting(public_url: Option<&Uri>, backends: &[Backend], findings: &mut Findings) {
    if public_url.is_some_and(is_reached_by_aws) {
        return;
    }
    let minted = backends.iter().filter_map(|backend| backend.reached.minted());
    for minted in minted.filter(|minted| minted.at_aws) {
        let what = "STS is shown tokens that this server makes, and cannot reach it for their keys (V-16)";
        let remedy = "add `public_url: https://…`, public and without a port; or choose other `credentials`, \
                      such as `web_identity: caller`";
        findings.error(minted.place, what, remedy);
    }
}

fn is_reached_by_aws(url: &Uri) -> bool {
    let is_local = |host: &str| {
        host == "localhost" || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
    };
    url.scheme_str() == Some("https")
        && url.port().is_none()
        && url.host().is_some_and(|host| !is_local(host))
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    fn said(more: &str, aws: &str) -> Result<(), String> {
        let text = format!(
            "{more}\nstore: {{memory: true}}\nbackends:\n  it:\n    url: 'https://aws-mcp.us-east-1.api.aws/mcp'\n    \
             auth: {{aws: {{roles: {{fallback: 'arn:aws:iam::123456789012:role/McpUser'}}{aws}}}}}\n"
        );
        match parse("gateway.yaml", &text) {
            Ok(_) => Ok(()),
            Err(problems) => Err(problems.iter().map(|problem| format!("{problem}\n")).collect()),
        }
    }

    const SIGNS_IN: &str = "authorization_server: {upstreams: [{name: corp, oauth2: {preset: github, client_id: a, client_authentication: none}}]}";

    #[test]
    fn sts_is_shown_tokens_of_our_own_where_it_can_read_their_keys() {
        let here = |url: &str| format!("public_url: '{url}'\n{SIGNS_IN}");
        said(&here("https://mcp.example.com"), "").unwrap();
        said(&here("https://mcp.example.com"), ", credentials: {web_identity: minted}").unwrap();
        for unreachable in [
            "https://mcp.example.com:8443",
            "http://127.0.0.1:8080",
            "https://localhost",
            "https://192.0.2.1",
        ] {
            let told = said(&here(unreachable), "").unwrap_err();
            assert!(told.contains("(V-16)") && told.contains("public_url"), "{unreachable}: {told}");
        }
        assert!(said(SIGNS_IN, "").unwrap_err().contains("(V-16)"));
        // A stand-in for STS may be anywhere, and so may we.
        said(SIGNS_IN, ", sts: {endpoint: 'http://127.0.0.1:9', region: us-east-1}").unwrap();
        said(&here("http://127.0.0.1:8080"), ", credentials: {web_identity: caller}").unwrap();
    }

    #[test]
    fn tags_go_along_and_nobody_mints_without_an_authorization_server() {
        let here = format!("public_url: https://mcp.example.com\n{SIGNS_IN}");
        said(&here, ", tags: {Team: claims.team}, source_identity: claims.login").unwrap();
        assert!(said(&here, ", external_id: x").unwrap_err().contains("external id"));
        assert!(said(&here, ", service_identity: {profile: a}").unwrap_err().contains("own identity"));
        let alone = "identity: {issuers: [{issuer: 'https://login.example.com'}]}";
        let told = said(alone, ", credentials: {web_identity: minted}").unwrap_err();
        assert!(told.contains("(V-01)"), "{told}");
    }
}
