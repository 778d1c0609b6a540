//! Whose word counts.

use super::{authorization_server::AuthorizationServer, diagnostic::Findings, raw, resolved::Backend};
use countersign::identity;
use serde_saphyr::{Location, Spanned};

/// Somebody whose tokens are believed.
#[derive(Debug)]
pub(crate) struct Issuer {
    name: String,
    audience: Option<String>,
    required_scopes: Vec<String>,
}

impl Issuer {
    /// Its address.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What its tokens need, whatever they are used for.
    pub(super) fn required_scopes(&self) -> &[String] {
        &self.required_scopes
    }

    /// What is expected of its tokens, at a gateway that is `resource`.
    pub(crate) fn expecting(self, resource: &str) -> identity::Issuer {
        let audience = self.audience.unwrap_or_else(|| resource.to_owned());
        identity::Issuer::new(self.name, audience).with_required_scopes(self.required_scopes)
    }
}

/// Who is believed besides ourselves, if `signs_in` says that we sign people in.
pub(super) fn resolve_issuers(
    raw: Option<Spanned<Vec<raw::Issuer>>>,
    signs_in: bool,
    own: Option<&str>,
    findings: &mut Findings,
) -> Option<Vec<Issuer>> {
    let Some(raw) = raw else {
        if signs_in {
            return Some(Vec::new());
        }
        let remedy = "name who is, `identity: { issuers: [{ issuer: https://… }] }`, or describe an `authorization_server`";
        findings.error(Location::UNKNOWN, "nobody is trusted, so nobody could sign in", remedy);
        return None;
    };
    if raw.value.is_empty() {
        findings.error(raw.referenced, "nobody is trusted, so nobody could sign in", "name an issuer");
        return None;
    }
    let count = raw.value.len();
    let mut issuers: Vec<Issuer> = Vec::new();
    for raw::Issuer { issuer, audience, required_scopes } in raw.value {
        let Spanned { value: name, referenced, .. } = issuer;
        if issuers.iter().any(|other| other.name == name) {
            findings.error(referenced, format!("`{name}` is named twice"), "remove one of the two");
            continue;
        }
        if let Some(own) = own.filter(|own| signs_in && is_nearly(own, &name)) {
            let what = format!("`{name}` is this server, whose issuer is `{own}` and trusted already (V-04)");
            findings.error(referenced, what, "remove it");
            continue;
        }
        let attempt = identity::Issuer::new(&name, "anything");
        match identity::Verifier::builder().trust(attempt).build() {
            Ok(_) => {
                issuers.push(Issuer { name, audience: audience.map(|text| text.value), required_scopes })
            }
            Err(error) => {
                let remedy = "write the issuer as its tokens do, in https, such as https://login.example.com";
                findings.error(referenced, error.to_string(), remedy);
            }
        }
    }
    (issuers.len() == count).then_some(issuers)
}

pub(super) fn places_of_issuers(raw: Option<&Spanned<raw::Identity>>) -> Vec<Spanned<String>> {
    let Some(raw::Identity::Issuers(issuers)) = raw.map(|identity| &identity.value) else {
        return Vec::new();
    };
    issuers.value.iter().map(|issuer| issuer.issuer.clone()).collect()
}

/// Callers of another issuer connect accounts where an upstream tells who they are, and nowhere else (V-18).
pub(super) fn check_strangers(
    issuers: &[Spanned<String>],
    server: &AuthorizationServer,
    backends: &[Backend],
    findings: &mut Findings,
) {
    let Some(backend) = backends.iter().find(|backend| backend.reached.needs_accounts()) else { return };
    for Spanned { value: issuer, referenced, .. } in issuers {
        if !server.upstreams.iter().any(|upstream| upstream.is_issuer(issuer)) {
            let what = format!(
                "callers of `{issuer}` reach `{}`, for which they could connect no account (V-18)",
                backend.name
            );
            let remedy = format!("describe it as an upstream, too: `oidc: {{ issuer: {issuer}, … }}`");
            findings.error(*referenced, what, remedy);
        }
    }
}

/// Whether two addresses are the same but for what issuers are compared with and people overlook.
fn is_nearly(own: &str, name: &str) -> bool {
    own.eq_ignore_ascii_case(name.trim_end_matches('/'))
}
