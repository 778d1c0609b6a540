//! What of a client's abilities a backend may count on: those for which somebody here carries the questions.

use super::error::Refusal;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a backend may ask a client for, and is handed on in every era. Tasks are not, nor what nobody specified: who
/// declares those to a backend invites what would not arrive.
const RELAYED: [&str; 3] = ["elicitation", "roots", "sampling"];

/// Of what a client declares that it can, as much as is relayed. Each of them stays as it was written, and so does the
/// whole where nothing has to go.
pub(super) fn relayed(declared: &RawValue) -> Result<Box<RawValue>, Refusal> {
    let members: BTreeMap<String, &RawValue> = read(declared)?;
    let is_relayed = |name: &String| RELAYED.contains(&name.as_str());
    if members.keys().all(is_relayed) {
        return Ok(declared.to_owned());
    }
    let kept = members.into_iter().filter(|(name, _)| is_relayed(name));
    let kept: Vec<_> = kept.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    RawValue::from_string(format!("{{{}}}", kept.join(","))).map_err(|_| Refusal::parse_error())
}

/// The same, or all of it, where `whole` says that everything is relayed.
pub(super) fn declared(by_client: &RawValue, whole: bool) -> Result<Box<RawValue>, Refusal> {
    if whole { read(by_client).map(|_| by_client.to_owned()) } else { relayed(by_client) }
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
            assert_eq!(super::declared(&raw(declared), true).unwrap().get(), declared);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for declared in ["[]", "7", "null", "\"roots\""] {
            assert!(relayed(&raw(declared)).is_err(), "{declared}");
            assert!(super::declared(&raw(declared), true).is_err(), "{declared}");
        }
    }
}
