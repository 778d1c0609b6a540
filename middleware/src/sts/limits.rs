//! What AWS would refuse, said before it is asked.

use serde_json::Value;
use std::time::Duration;

/// Every session's bounds.
const DURATION: std::ops::RangeInclusive<u64> = 900..=43_200;
/// What a role gets that assumes a role.
const CHAINED: u64 = 3600;
const MAX_TAGS: usize = 50;
const MAX_POLICY: usize = 2048;
const MAX_POLICY_ARNS: usize = 10;

/// What is wrong, and what to do: the rest of a sentence that begins with the place.
pub(super) type Problem = String;

pub(super) fn duration(duration: Duration, chained: bool) -> Option<Problem> {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 || !DURATION.contains(&seconds) {
        return Some(format!("duration {duration:?}: a session lasts 900 s to 43,200 s, in whole seconds"));
    }
    (chained && seconds > CHAINED)
        .then(|| format!("duration {seconds} s: a role that assumes a role gets at most 3,600 s"))
}

pub(super) fn tag_key(key: &str) -> Option<Problem> {
    let length = key.chars().count();
    if length == 0 || length > 128 || !key.chars().all(is_tag_character) {
        return Some(format!("tag {key:?}: a key has 1 to 128 letters, digits, spaces and _.:/=+-@"));
    }
    key.to_ascii_lowercase()
        .starts_with("aws:")
        .then(|| format!("tag {key:?}: keys that begin with aws: belong to AWS; take another name"))
}

pub(super) fn is_tag_value(value: &str) -> bool {
    value.chars().count() <= 256 && value.chars().all(is_tag_character)
}

pub(super) fn tag_count(count: usize) -> Option<Problem> {
    (count > MAX_TAGS).then(|| format!("{count} tags: a session has at most 50"))
}

/// A session's name or a source identity.
pub(super) fn is_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(|byte| is_name_byte(byte, b"_+=,.@-"))
}

pub(super) fn external_id(id: &str) -> Option<Problem> {
    let fits = (2..=1224).contains(&id.len()) && id.bytes().all(|byte| is_name_byte(byte, b"_+=,.@:/-"));
    (!fits).then(|| "external id: it has 2 to 1,224 letters, digits and _+=,.@:/-".to_owned())
}

pub(super) fn policy(document: &str) -> Option<Problem> {
    let length = document.chars().count();
    if length > MAX_POLICY {
        return Some(format!(
            "session policy: {length} characters, and 2,048 are allowed; leave out spaces, or name \
             a managed policy"
        ));
    }
    match serde_json::from_str::<Value>(document) {
        Ok(Value::Object(policy)) if policy.get("Statement").is_some_and(has_statements) => None,
        Ok(_) => Some(
            "session policy: it is no policy document, which is an object with at least one Statement"
                .to_owned(),
        ),
        Err(error) => Some(format!("session policy: it is no JSON ({error})")),
    }
}

fn has_statements(statement: &Value) -> bool {
    statement.is_object() || statement.as_array().is_some_and(|list| !list.is_empty())
}

/// `account` is the role's, where it is known already.
pub(super) fn policy_arns(arns: &[String], account: Option<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if arns.len() > MAX_POLICY_ARNS {
        problems.push(format!("{} managed policies: a session takes at most 10", arns.len()));
    }
    for arn in arns {
        match policy_account(arn) {
            None => problems.push(format!(
                "managed policy {arn:?}: write it as in arn:aws:iam::aws:policy/ReadOnlyAccess"
            )),
            Some("aws") => {}
            Some(other) if account.is_some_and(|account| account != other) => problems.push(format!(
                "managed policy {arn:?}: it has to be of the role's own account, or one of AWS's"
            )),
            Some(_) => {}
        }
    }
    problems
}

/// The account that a managed policy is in, or `aws`.
pub(super) fn policy_account(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    let (Some("arn"), Some(partition), Some("iam"), Some(""), Some(account), Some(resource)) =
        (next(), next(), next(), next(), next(), next())
    else {
        return None;
    };
    let name = resource.strip_prefix("policy/")?;
    let fits = !name.is_empty() && (account == "aws" || is_account(account));
    (fits && (partition == "aws" || partition.starts_with("aws-"))).then_some(account)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

fn is_name_byte(byte: u8, others: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || others.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_taken_apart_or_refused() {
        assert_eq!(policy_account("arn:aws:iam::aws:policy/ReadOnlyAccess"), Some("aws"));
        assert_eq!(policy_account("arn:aws:iam::123456789012:policy/p/x"), Some("123456789012"));
        for bad in [
            "ReadOnlyAccess",
            "arn:aws:iam::aws:role/x",
            "arn:aws:iam::aws:policy/",
            "arn:aws:iam::12345:policy/x",
            "arn:aws:s3::aws:policy/x",
            "arn:azure:iam::aws:policy/x",
        ] {
            assert_eq!(policy_account(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_are_those_of_the_api() {
        let seconds = Duration::from_secs;
        assert!(duration(seconds(900), true).is_none() && duration(seconds(43_200), false).is_none());
        assert!(duration(seconds(899), false).is_some() && duration(seconds(43_201), false).is_some());
        assert!(
            duration(seconds(3601), true).is_some()
                && duration(Duration::from_millis(900_500), false).is_some()
        );
        assert!(tag_key("Team").is_none() && tag_key("Größe").is_none());
        assert!(tag_key("").is_some() && tag_key("AWS:x").is_some() && tag_key("a<").is_some());
        assert!(is_tag_value("") && !is_tag_value(&"v".repeat(257)) && !is_tag_value("a|b"));
        assert!(is_name("al") && is_name(&"a".repeat(64)) && !is_name("a") && !is_name("auth0|x"));
        assert!(external_id("a:/b").is_none() && external_id("a").is_some() && external_id("a b").is_some());
        assert!(policy(r#"{"Statement":{}}"#).is_none() && policy(r#"{"Statement":[{}]}"#).is_none());
        for bad in
            ["", "[]", "{}", r#"{"Statement":[]}"#, &format!("{{\"Statement\":\"{}\"}}", "x".repeat(2048))]
        {
            assert!(policy(bad).is_some(), "{bad}");
        }
        let foreign = ["arn:aws:iam::210987654321:policy/P".to_owned()];
        assert!(policy_arns(&foreign, None).is_empty());
        assert_eq!(policy_arns(&foreign, Some("123456789012")).len(), 1);
        assert_eq!(policy_arns(&vec!["arn:aws:iam::aws:policy/P".to_owned(); 11], None).len(), 1);
    }
}
