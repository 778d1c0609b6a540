use crate::expression::Facts;
use serde_json::Value;

/// How the text of a role claim is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimFormat {
    /// A list of values, or one text that is one value. Only `scope` and `scp` are read as words.
    #[default]
    List,
    /// A text is a list of words with spaces between them. Where values may have spaces themselves, this lets
    /// "platform admins" pass for `admins`.
    SpaceSeparated,
}

/// Where the values that rules compare stand.
#[derive(Clone, Debug)]
pub(super) struct RoleClaim {
    pub(super) name: String,
    pub(super) format: ClaimFormat,
}

impl RoleClaim {
    /// Whether the caller has `value`; an error where the claim is of a type that can hold none.
    pub(super) fn has(&self, value: &str, facts: &Facts<'_>) -> Result<bool, NotAList> {
        match facts.claims().get(&self.name) {
            None => Ok(false),
            Some(Value::Array(values)) => Ok(values.iter().any(|one| one == value)),
            Some(Value::String(words)) if self.is_words() => {
                Ok(words.split_ascii_whitespace().any(|word| word == value))
            }
            Some(Value::String(one)) => Ok(one == value),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(NotAList),
        }
    }

    fn is_words(&self) -> bool {
        self.format == ClaimFormat::SpaceSeparated || matches!(self.name.as_str(), "scope" | "scp")
    }
}

impl Default for RoleClaim {
    fn default() -> Self {
        Self { name: "groups".to_owned(), format: ClaimFormat::List }
    }
}

/// The role claim is neither a list nor a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAList;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Supposed;
    use serde_json::json;

    fn has(value: &str, name: &str, format: ClaimFormat, claim: &Value) -> Result<bool, NotAList> {
        let claims = json!({"iss": "i", "sub": "s", name: claim});
        let caller = Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap();
        RoleClaim { name: name.to_owned(), format }.has(value, &caller.facts())
    }

    #[test]
    fn a_text_is_one_value_unless_it_is_known_to_be_words() {
        use ClaimFormat::{List, SpaceSeparated};
        for (name, format, claim, expected) in [
            ("groups", List, json!(["users", "admins"]), true),
            ("groups", List, json!(["platform admins"]), false),
            ("groups", SpaceSeparated, json!(["platform admins"]), false),
            ("groups", List, json!("admins"), true),
            ("groups", List, json!("platform admins"), false),
            ("groups", SpaceSeparated, json!("platform admins"), true),
            ("groups", List, json!("admin"), false),
            ("scope", List, json!("openid admins"), true),
            ("scp", List, json!("openid admins"), true),
            ("scopes", List, json!("openid admins"), false),
            ("groups", List, json!([]), false),
            ("groups", List, json!([1, null, ["admins"], {"admins": 1}]), false),
        ] {
            assert_eq!(has("admins", name, format, &claim), Ok(expected), "{name} {format:?} {claim}");
        }
    }

    #[test]
    fn what_can_hold_no_value_is_an_error_and_not_a_no() {
        for claim in [json!(null), json!(true), json!(7), json!({"admins": true})] {
            assert_eq!(has("admins", "groups", ClaimFormat::List, &claim), Err(NotAList), "{claim}");
        }
    }
}
