//! What sessions are called, held against what our own tokens say: a template that names another claim refuses everybody
//! who signed in here.

use super::{authorization_server::AuthorizationServer, diagnostic::Findings, near::nearest, raw};
use countersign::{
    expression::Supposed,
    role::{NamelessSession, SessionName},
};
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;
use std::collections::BTreeSet;

/// What a token of ours says whatever upstreams do.
const ALWAYS: [&str; 9] = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "sid"];

/// More places than a name of 64 characters has.
const MOST_PLACES: usize = 64;

/// The templates of all backends.
pub(super) fn session_names(backends: &raw::Named<raw::Backend>) -> Vec<Spanned<String>> {
    let auths = backends.0.iter().filter_map(|(_, backend)| backend.auth.as_ref());
    let templates = auths.filter_map(|auth| match &auth.value {
        raw::Auth::Aws(aws) => aws.value.session_name.clone(),
        raw::Auth::UpstreamToken(_)
        | raw::Auth::TokenExchange(_)
        | raw::Auth::IdJag(_)
        | raw::Auth::Headers(_)
        | raw::Auth::Query(_)
        | raw::Auth::None => None,
    });
    templates.collect()
}

/// Warns of what our own tokens do not say (V-12). What tokens of others say is not known before they are asked.
pub(super) fn check_session_names(
    templates: &[Spanned<String>],
    server: &AuthorizationServer,
    findings: &mut Findings,
) {
    let mapped = server.claims.iter().map(|claim| claim.name.as_str());
    let vouched = server.trusted.iter().flat_map(|issuer| &issuer.claims).map(String::as_str);
    let known: BTreeSet<&str> = ALWAYS.into_iter().chain(mapped).chain(vouched).collect();
    for Spanned { value: template, referenced, .. } in templates {
        // What is no template was told before.
        let Ok(name) = template.parse::<SessionName>() else { continue };
        for claim in unknown(&name, &known) {
            let what =
                format!("this server's tokens have no claim `{claim}`, and who has none is refused (V-12)");
            let words: Vec<&str> = known.iter().copied().collect();
            let remedy = nearest(&claim, &words).map_or_else(
                || format!("add it to the `claims` of the upstream that says it: `claims: [{claim}]`"),
                |word| format!("did you mean `{word}`?"),
            );
            findings.warn(*referenced, what, remedy);
        }
    }
}

/// The claims, by their outermost names, that a template asks for and nobody has: found out by naming the session of
/// somebody who has each claim as soon as it is missed.
fn unknown(name: &SessionName, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let somebody = json!({"iss": "https://issuer.example", "sub": "somebody"});
    let mut claims = somebody.as_object().cloned().unwrap_or_default();
    let mut unknown = BTreeSet::new();
    for _ in 0..MOST_PLACES {
        let Ok(caller) = Supposed::from_claims(claims.clone()) else { break };
        let Err(NamelessSession::NoClaim(path)) = name.name(&caller.facts()) else { break };
        let outermost = path.split('.').next().unwrap_or_default();
        if !known.contains(outermost) {
            unknown.insert(outermost.to_owned());
        }
        give(&mut claims, &path);
    }
    unknown
}

/// Puts something where `path` leads, beside what is on the way already.
fn give(claims: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => {
            claims.insert(path.to_owned(), "something".into());
        }
        Some((outer, inner)) => {
            let value = claims.entry(outer).or_insert_with(|| json!({}));
            if !value.is_object() {
                *value = json!({});
            }
            if let Some(members) = value.as_object_mut() {
                give(members, inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_asks_for_is_found_wherever_it_stands() {
        let known: BTreeSet<&str> = ["sub", "email", "org"].into();
        for (template, missed) in [
            ("{sub}", &[][..]),
            ("{claims.email}", &[]),
            ("{claims.org.team.name}", &[]),
            ("{claims.org.team}-{claims.org.unit}", &[]),
            ("mcp-{claims.login}", &["login"]),
            ("{claims.email}-{claims.a.b}-{claims.c}", &["a", "c"]),
        ] {
            let name: SessionName = template.parse().unwrap();
            let found = unknown(&name, &known);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), missed, "{template}");
        }
    }
}
