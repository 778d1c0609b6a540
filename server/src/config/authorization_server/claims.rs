//! What our tokens say of a person that an upstream said.

use super::{
    super::{diagnostic::Findings, near::nearest, raw},
    Names,
};
use serde_saphyr::Spanned;

/// One claim of our tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) name: String,
    /// Which upstream said it.
    pub(crate) upstream: String,
    /// Where, in what that said: names, one inside of the other.
    pub(crate) path: Vec<String>,
}

/// What a token says by itself.
const OURS: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "scope",
    "sid",
    "act",
    "may_act",
    "cnf",
    "amr",
    "https://aws.amazon.com/tags",
];

/// `carried` are those that upstreams name themselves.
pub(super) fn resolve_claims(
    raw: Option<raw::Named<Spanned<String>>>,
    carried: Vec<(String, Spanned<String>)>,
    names: &Names,
    findings: &mut Findings,
) -> Option<Vec<Claim>> {
    let mapped = raw.map(|raw| raw.0).unwrap_or_default();
    let count = carried.len() + mapped.len();
    let mut claims: Vec<Claim> = Vec::new();
    for (upstream, Spanned { value: name, referenced, .. }) in carried {
        let claim = Claim { path: vec![name.clone()], name: name.clone(), upstream };
        if fits(&name, referenced, &claims, findings) {
            claims.push(claim);
        }
    }
    for (Spanned { value: name, referenced: place, .. }, from) in mapped {
        let Spanned { value: written, referenced, .. } = from;
        let mut words = written.split('.').map(str::to_owned);
        let (root, upstream, path) = (words.next(), words.next(), words.collect::<Vec<_>>());
        let (Some("upstream"), Some(upstream), false, false) =
            (root.as_deref(), upstream, path.is_empty(), written.split('.').any(str::is_empty))
        else {
            let what = format!("`{written}` is no claim of an upstream's");
            findings.error(referenced, what, "write it as in upstream.corp.groups");
            continue;
        };
        if !names.contains_key(&upstream) {
            let known: Vec<&str> = names.keys().map(String::as_str).collect();
            let remedy = nearest(&upstream, &known).map_or_else(
                || format!("choose among: {}", known.join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            findings.error(referenced, format!("there is no provider `{upstream}` (V-02)"), remedy);
        } else if fits(&name, place, &claims, findings) {
            claims.push(Claim { name, upstream, path });
        }
    }
    (claims.len() == count).then_some(claims)
}

fn fits(name: &str, place: serde_saphyr::Location, others: &[Claim], findings: &mut Findings) -> bool {
    if name.is_empty() || OURS.contains(&name) {
        let what = format!("`{name}` is what our tokens say by themselves");
        findings.error(place, what, "give the claim another name");
        return false;
    }
    if let Some(other) = others.iter().find(|other| other.name == name) {
        let what = format!("the claim `{name}` is what `{}` says already", other.upstream);
        let remedy = "map one of the two to another name: `claims: { other: upstream.NAME.CLAIM }`";
        findings.error(place, what, remedy);
        return false;
    }
    true
}
