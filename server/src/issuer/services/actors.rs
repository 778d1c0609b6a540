//! Who acts for whom (RFC 8693, section 4): the newest actor outside, the ones before inside.

use super::super::error::{Code, Refusal};
use serde_json::{Map, Value, json};

/// Longer chains are no delegation any more.
const DEEPEST: usize = 10;

/// Somebody who acts, and what is known of them.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// By which client of ours.
    pub(super) client: String,
}

impl Actor {
    /// `act` with this actor before those who acted already.
    ///
    /// # Errors
    ///
    /// Where that are too many.
    pub(super) fn before(&self, earlier: Option<&Value>) -> Result<Value, Refusal> {
        if 1 + depth(earlier) > DEEPEST {
            return Err(wrong("`subject_token` has been passed on too often: ten may act in turn"));
        }
        let mut act = Map::new();
        act.insert("iss".to_owned(), self.issuer.as_str().into());
        act.insert("sub".to_owned(), self.subject.as_str().into());
        act.extend(earlier.map(|earlier| ("act".to_owned(), earlier.clone())));
        Ok(Value::Object(act))
    }

    /// Whether the subject's token lets this one act. What is said there of the actor has to be so, all of it.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub(super) fn is_let_by(&self, may_act: Option<&Value>) -> Result<(), Refusal> {
        let Some(may_act) = may_act else { return Ok(()) };
        let known = json!({"iss": self.issuer, "sub": self.subject, "client_id": self.client});
        let met = may_act.as_object().is_some_and(|members| {
            members.contains_key("sub") && members.iter().all(|(name, value)| known.get(name) == Some(value))
        });
        if met { Ok(()) } else { Err(wrong("`subject_token` lets somebody else act, in `may_act`")) }
    }
}

/// How many act, one for the other.
fn depth(act: Option<&Value>) -> usize {
    std::iter::successors(act, |act| act.get("act")).count()
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::InvalidRequest, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(name: &str) -> Actor {
        Actor {
            issuer: "https://mcp.example.com".into(),
            subject: format!("client:{name}"),
            client: name.into(),
        }
    }

    #[test]
    fn ten_act_in_turn_and_no_more() {
        let mut act = None;
        for turn in 0..10 {
            act = Some(actor(&turn.to_string()).before(act.as_ref()).unwrap());
        }
        let act = act.unwrap();
        assert_eq!((&act["sub"], &act["act"]["sub"]), (&json!("client:9"), &json!("client:8")));
        let refusal = actor("10").before(Some(&act)).unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidRequest);
    }

    #[test]
    fn whoever_may_act_is_whoever_all_of_it_describes() {
        let it = actor("service");
        assert!(it.is_let_by(None).is_ok());
        for (may_act, met) in [
            (json!({"sub": "client:service"}), true),
            (json!({"sub": "client:service", "iss": "https://mcp.example.com"}), true),
            (json!({"sub": "client:service", "client_id": "service"}), true),
            (json!({"sub": "client:other"}), false),
            (json!({"sub": "client:service", "iss": "https://other.example"}), false),
            (json!({"sub": "client:service", "department": "x"}), false),
            (json!({"iss": "https://mcp.example.com"}), false),
            (json!({}), false),
            (json!([]), false),
            (json!("client:service"), false),
            (json!(null), false),
        ] {
            assert_eq!(it.is_let_by(Some(&may_act)).is_ok(), met, "{may_act}");
        }
    }
}
