//! Who this server itself is to AWS.

use super::{diagnostic::Findings, raw, roles::resolve_arn, secret::resolve_secret};
use countersign::sts::{Ambient, Hop, ServiceIdentity, StaticKeys, Sts};
use serde_saphyr::Spanned;

/// What is described; without a description, whoever this server is where it runs.
pub(super) fn resolve_service_identity(
    raw: Option<Spanned<raw::ServiceIdentity>>,
    sts: Option<&Sts>,
    findings: &mut Findings,
) -> Option<ServiceIdentity> {
    let Some(Spanned { value: raw, referenced, .. }) = raw else { return Some(Ambient::new().into()) };
    let keys = raw.access_key_id.is_some() || raw.secret_access_key.is_some() || raw.session_token.is_some();
    let base = match (raw.profile, raw.credentials_file, keys) {
        (profile, file, false) => {
            let ambient = profile.into_iter().fold(Ambient::new(), |it, name| it.with_profile(name.value));
            let at = |file: Spanned<String>, findings: &Findings| findings.beside(&file.value);
            let file = file.map(|file| at(file, findings));
            Some(ServiceIdentity::from(file.into_iter().fold(ambient, Ambient::with_file)))
        }
        (None, None, true) => match (raw.access_key_id, raw.secret_access_key) {
            (Some(id), Some(secret)) => {
                let secret = resolve_secret(&secret, findings);
                let token = raw.session_token.map(|token| resolve_secret(&token, findings));
                let keys = StaticKeys::new(id.value, secret?);
                Some(match token {
                    Some(token) => keys.with_session_token(token?).into(),
                    None => keys.into(),
                })
            }
            _ => {
                let remedy = "name both `access_key_id` and `secret_access_key`";
                findings.error(referenced, "half a key signs nothing", remedy);
                None
            }
        },
        _ => {
            let what = "keys are named, and a profile or a file that has others";
            findings.error(referenced, what, "keep one of the two");
            None
        }
    };
    let Some(role) = raw.role else {
        if let Some(id) = raw.external_id {
            findings.error(
                id.referenced,
                "an external id belongs to a `role`",
                "name the role, or remove it",
            );
            return None;
        }
        return base;
    };
    let hop = Hop::to(resolve_arn(&role, findings)?);
    let hop = raw.external_id.into_iter().fold(hop, |hop, id| hop.with_external_id(id.value));
    let assumed = base?.assuming(sts?, hop);
    let remedy = "correct the role; who assumes it is what the rest of `service_identity` says";
    assumed.map_err(|error| findings.error(role.referenced, error.to_string(), remedy)).ok()
}
