//! What of a client's abilities a backend may count on: those for which somebody here carries the questions.

use super::{error::Refusal, tasks::TASKS};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a backend may ask a client for, and is handed on in every era. Tasks of the client's are not, nor what nobody
/// specified: who declares those to a backend invites what would not arrive.
const RELAYED: [&str; 3] = ["elicitation", "roots", "sampling"];
/// Where a client of the version without sessions says that a backend may answer with a task.
const EXTENSIONS: &str = "extensions";

/// Of what a client declares that it can, as much as is relayed. Each of them stays as it was written, and so does the
/// whole where nothing has to go.
pub(super) fn relayed(declared: &RawValue) -> Result<Box<RawValue>, Refusal> {
    kept(declared, None)
}

/// The same for backends of the client's own era, where that is the one without sessions: they may answer with tasks.
pub(super) fn relayed_without_session(declared: &RawValue) -> Result<Box<RawValue>, Refusal> {
    kept(declared, tasks(declared).map(|tasks| format!(r#""{EXTENSIONS}":{{"{TASKS}":{tasks}}}"#)))
}

/// Whether a client of that era knows tasks.
pub(super) fn extends_to_tasks(declared: &RawValue) -> bool {
    tasks(declared).is_some()
}

fn tasks(declared: &RawValue) -> Option<&RawValue> {
    read(read(declared).ok()?.get(EXTENSIONS)?).ok()?.get(TASKS).copied()
}

/// All of it, where everything is relayed.
pub(super) fn whole(declared: &RawValue) -> Result<Box<RawValue>, Refusal> {
    read(declared).map(|_| declared.to_owned())
}

/// What is relayed in every era, and `more`.
fn kept(declared: &RawValue, more: Option<String>) -> Result<Box<RawValue>, Refusal> {
    let members = read(declared)?;
    let is_relayed = |name: &String| RELAYED.contains(&name.as_str());
    if members.keys().all(is_relayed) {
        return Ok(declared.to_owned());
    }
    let kept = members.into_iter().filter(|(name, _)| is_relayed(name));
    let kept = kept.map(|(name, value)| format!("\"{name}\":{value}"));
    let kept: Vec<_> = kept.chain(more).collect();
    RawValue::from_string(format!("{{{}}}", kept.join(","))).map_err(|_| Refusal::parse_error())
}

fn read(declared: &RawValue) -> Result<BTreeMap<String, &RawValue>, Refusal> {
    serde_json::from_str(declared.get())
        .map_err(|_| Refusal::invalid_params("a client's capabilities have to be a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn what_is_relayed_stays_as_it_was_written_and_the_rest_goes() {
        for (declared, told) in [
            ("{}", "{}"),
            (
                r#"{ "sampling" : {"tools":{ },"x":1.0e400} ,"roots":{}}"#,
                r#"{ "sampling" : {"tools":{ },"x":1.0e400} ,"roots":{}}"#,
            ),
            (
                r#"{"tasks":{"list":{}},"sampling":{"context":{ },"x":[-0]}, "elicitation":{"form":{},"url":{}},"experimental":{},"extensions":{"a/b":{}}}"#,
                r#"{"elicitation":{"form":{},"url":{}},"sampling":{"context":{ },"x":[-0]}}"#,
            ),
            (r#"{"tasks":{}}"#, "{}"),
        ] {
            assert_eq!(relayed(&raw(declared)).unwrap().get(), told);
            assert_eq!(whole(&raw(declared)).unwrap().get(), declared);
        }
    }

    #[test]
    fn backends_without_sessions_may_count_on_tasks_and_on_no_other_extension() {
        for (declared, told) in [
            (r#"{"extensions":{"a/b":{}},"roots":{ }}"#, r#"{"roots":{ }}"#),
            (
                r#"{"extensions":{"a/b":{},"io.modelcontextprotocol\/tasks":{ "x":1.0}},"tasks":{},"roots":{}}"#,
                r#"{"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{ "x":1.0}}}"#,
            ),
            (r#"{"extensions":7}"#, "{}"),
        ] {
            assert_eq!(relayed_without_session(&raw(declared)).unwrap().get(), told);
            assert_eq!(extends_to_tasks(&raw(declared)), told.contains("tasks"));
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for declared in ["[]", "7", "null", "\"roots\""] {
            assert!(relayed(&raw(declared)).is_err(), "{declared}");
            assert!(relayed_without_session(&raw(declared)).is_err(), "{declared}");
            assert!(whole(&raw(declared)).is_err(), "{declared}");
        }
    }
}
