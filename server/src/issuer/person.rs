//! Who somebody is here, and what our tokens say of them.

use super::subject;
use crate::{
    config::authorization_server::Claim,
    federation::{Person, Upstreams},
};
use serde_json::{Map, Value};

/// More than this in a token is more than headers hold.
const LARGEST: usize = 4 * 1024;

/// The name that we have for a person of the first upstream: theirs there, where there is but one upstream, and
/// otherwise one that follows from both issuer and subject and says neither. So has whoever is called there as somebody
/// else is here.
pub(super) fn subject(person: &Person, upstreams: &Upstreams) -> String {
    if upstreams.is_single() && !subject::is_ours(&person.subject) {
        return person.subject.clone();
    }
    subject::stable(&person.issuer, &person.subject)
}

/// Adds to `claims` what `upstream` says of a person and our tokens pass on.
///
/// # Errors
///
/// The names of the claims that do not fit.
pub(super) fn add_claims(
    claims: &mut Map<String, Value>,
    wanted: &[Claim],
    upstream: &str,
    said: &Map<String, Value>,
) -> Result<(), Vec<String>> {
    for claim in wanted.iter().filter(|claim| claim.upstream == upstream) {
        let mut path = claim.path.iter();
        let first = path.next().and_then(|name| said.get(name));
        let value = path.fold(first, |value, name| value.and_then(|value| value.get(name)));
        claims.extend(value.map(|value| (claim.name.clone(), value.clone())));
    }
    let length = |value: &Value| value.to_string().len();
    let all: usize = claims.iter().map(|(name, value)| name.len() + length(value)).sum();
    if all > LARGEST { Err(claims.keys().cloned().collect()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(name: &str, upstream: &str, path: &[&str]) -> Claim {
        let path = path.iter().map(|&word| word.to_owned()).collect();
        Claim { name: name.into(), upstream: upstream.into(), path }
    }

    #[test]
    fn what_an_upstream_says_is_passed_on_as_far_as_it_is_wanted() {
        let wanted = [
            claim("groups", "corp", &["groups"]),
            claim("team", "corp", &["org", "team", "name"]),
            claim("login", "github", &["login"]),
            claim("absent", "corp", &["org", "absent"]),
        ];
        let said = json!({"groups": ["a"], "org": {"team": {"name": "x"}}, "login": "not this", "secret": 1});
        let mut claims = Map::new();
        add_claims(&mut claims, &wanted, "corp", said.as_object().unwrap()).unwrap();
        add_claims(&mut claims, &wanted, "github", json!({"login": "octo"}).as_object().unwrap()).unwrap();
        assert_eq!(Value::from(claims), json!({"groups": ["a"], "team": "x", "login": "octo"}));
    }

    #[test]
    fn what_does_not_fit_a_token_is_told() {
        let groups: Vec<String> = (0..500).map(|nth| format!("group-{nth}")).collect();
        let said = json!({"groups": groups});
        let wanted = [claim("groups", "corp", &["groups"])];
        let problem = add_claims(&mut Map::new(), &wanted, "corp", said.as_object().unwrap()).unwrap_err();
        assert_eq!(problem, ["groups"]);
    }
}
