//! Tools as the operator wants them: what clients are told of them, and what goes into their calls.

use super::{
    message::Message,
    object::{Object, remove_texts},
    wire::Edits,
};
use crate::config::overrides::Override;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// Where the schema of an object holds others of the same object.
const OF_THE_SAME: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const OF_THE_SAME_IF: [&str; 2] = ["then", "else"];
/// How many of them are inside each other at most.
const DEEPEST: usize = 8;

/// Why a call cannot be made with the arguments that it has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// This one is not the client's to give.
    Fixed(String),
    NoObject,
}

/// A tool as clients are told of it, and which arguments are overridden that it does not have.
pub(super) fn told(tool: &RawValue, with: &Override) -> Option<(Box<RawValue>, Vec<String>)> {
    let members = Object::parse(tool)?;
    let mut edits = Edits::of(tool.get().as_bytes());
    if let Some(description) = &with.description {
        members.set(&mut edits, "description", description);
    }
    annotate(&mut edits, &members, with);
    let mut found = BTreeSet::new();
    if !with.arguments.is_empty() {
        for schema in members.all("inputSchema") {
            change_schema(&mut edits, schema, with, &mut found, 0);
        }
    }
    let missing = with.arguments.keys().filter(|name| !found.contains(*name)).cloned().collect();
    let text = String::from_utf8(edits.done().to_vec()).ok()?;
    Some((RawValue::from_string(text).ok()?, missing))
}

/// What goes into a call besides the arguments that the client gives, as members of an object.
pub(super) fn added(with: &Override, message: &Message<'_>) -> Result<String, Unfit> {
    if with.arguments.is_empty() {
        return Ok(String::new());
    }
    let given =
        message.params.arguments.map(|given| Object::parse(given).ok_or(Unfit::NoObject)).transpose()?;
    let mut members = Vec::new();
    for (name, argument) in &with.arguments {
        match (given.as_ref().is_some_and(|given| given.has(name)), argument.fixed) {
            (true, true) => return Err(Unfit::Fixed(name.clone())),
            (true, false) => {}
            (false, _) => members.push(argument.as_member(name)),
        }
    }
    Ok(members.join(","))
}

/// Puts members into the arguments of a call.
pub(super) fn add_arguments(edits: &mut Edits<'_>, message: &Message<'_>, members: &str) {
    let Some(params) = message.written.and_then(Object::parse) else { return };
    match message.params.arguments {
        Some(given) => edits.add_members(given.get(), members),
        // There may be `null`, which means the same as nothing.
        None => params.set(edits, "arguments", &format!("{{{members}}}")),
    }
}

fn annotate(edits: &mut Edits<'_>, tool: &Object<'_>, with: &Override) {
    if with.annotations.is_empty() {
        return;
    }
    let mut is_there = false;
    for annotations in tool.all("annotations").filter_map(Object::parse) {
        is_there = true;
        with.annotations.iter().for_each(|(name, json)| annotations.set(edits, name, json));
    }
    if !is_there {
        let members: Vec<_> =
            with.annotations.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        tool.set(edits, "annotations", &format!("{{{}}}", members.join(",")));
    }
}

fn change_schema(
    edits: &mut Edits<'_>,
    schema: &RawValue,
    with: &Override,
    found: &mut BTreeSet<String>,
    depth: usize,
) {
    let Some(schema) = Object::parse(schema).filter(|_| depth < DEEPEST) else { return };
    for properties in schema.all("properties").filter_map(Object::parse) {
        let known = properties.names().filter(|name| with.arguments.contains_key(*name));
        found.extend(known.map(str::to_owned));
        properties.remove(edits, |name| with.arguments.get(name).is_some_and(|argument| argument.fixed));
        for (name, argument) in with.arguments.iter().filter(|(_, argument)| !argument.fixed) {
            for property in properties.all(name) {
                match Object::parse(property) {
                    Some(property) => property.set(edits, "default", &argument.json),
                    // The schema `true`, of anything.
                    None => edits.replace(property.get(), format!("{{\"default\":{}}}", argument.json)),
                }
            }
        }
    }
    for required in schema.all("required") {
        remove_texts(edits, required, |name| with.arguments.contains_key(name));
    }
    let lists = OF_THE_SAME.iter().flat_map(|name| schema.all(name));
    let listed = lists.filter_map(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).ok()).flatten();
    for inner in listed.chain(OF_THE_SAME_IF.iter().flat_map(|name| schema.all(name))) {
        change_schema(edits, inner, with, found, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::overrides::Argument;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn argument(fixed: bool, value: &Value) -> Argument {
        Argument { fixed, json: value.to_string() }
    }

    fn region_and_limit() -> Override {
        Override {
            arguments: [
                ("region".to_owned(), argument(true, &json!("eu-central-1"))),
                ("limit".to_owned(), argument(false, &json!(10))),
            ]
            .into(),
            ..Override::default()
        }
    }

    fn told_as(tool: &str, with: &Override) -> (String, Vec<String>) {
        let (text, missing) = told(serde_json::from_str(tool).unwrap(), with).unwrap();
        (text.get().to_owned(), missing)
    }

    #[test]
    fn a_fixed_argument_is_out_of_sight_and_a_default_one_not_required() {
        let (told, missing) = told_as(
            r#"{"name":"query", "x":1.0e400,"inputSchema":{"type":"object","properties":{
                "region":{"type":"string"}, "limit" : {"type":"integer","maximum":1e2},"q":{}},
                "required":["region","q", "limit"]}}"#,
            &region_and_limit(),
        );
        assert_eq!(
            told,
            r#"{"name":"query", "x":1.0e400,"inputSchema":{"type":"object","properties":{
                "limit" : {"default":10,"type":"integer","maximum":1e2},"q":{}},
                "required":["q"]}}"#
        );
        assert!(missing.is_empty());
    }

    #[test]
    fn schemas_inside_are_about_the_same_arguments() {
        let (told, missing) = told_as(
            r#"{"inputSchema":{"properties":{"limit":true},"anyOf":[{"required":["region"]},{"required":["q"]}],
                "then":{"properties":{"region":{}}},"not":{"required":["region"]}}}"#,
            &region_and_limit(),
        );
        assert_eq!(
            told,
            r#"{"inputSchema":{"properties":{"limit":{"default":10}},"anyOf":[{"required":[]},{"required":["q"]}],
                "then":{"properties":{}},"not":{"required":["region"]}}}"#
        );
        assert!(missing.is_empty());
        assert_eq!(
            told_as("{}", &region_and_limit()),
            ("{}".to_owned(), vec!["limit".into(), "region".into()])
        );
    }

    #[test]
    fn the_operators_words_replace_the_backends_and_nothing_else_does() {
        let with = Override {
            description: Some("\"ours\"".to_owned()),
            annotations: vec![("readOnlyHint", "true".to_owned()), ("title", "\"T\"".to_owned())],
            ..Override::default()
        };
        for (tool, expected) in [
            (
                r#"{"name":"a","description":"theirs","annotations":{"readOnlyHint":false, "x":1.0}}"#,
                r#"{"name":"a","description":"ours","annotations":{"title":"T","readOnlyHint":true, "x":1.0}}"#,
            ),
            (
                r#"{"name":"a"}"#,
                r#"{"annotations":{"readOnlyHint":true,"title":"T"},"description":"ours","name":"a"}"#,
            ),
            (
                r#"{"description":null,"annotations":null}"#,
                r#"{"description":"ours","annotations":{"readOnlyHint":true,"title":"T"}}"#,
            ),
        ] {
            assert_eq!(told_as(tool, &with).0, expected);
        }
    }

    fn called(arguments: &str) -> Result<String, Unfit> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"it"{arguments}}}}}"#
        );
        let message = Message::parse(body.as_bytes()).unwrap();
        let members = added(&region_and_limit(), &message)?;
        let mut edits = Edits::of(body.as_bytes());
        add_arguments(&mut edits, &message, &members);
        let made = String::from_utf8(edits.done().to_vec()).unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        Ok(made["params"]["arguments"].to_string())
    }

    #[test]
    fn a_call_gets_what_its_client_does_not_give() {
        let both = r#"{"limit":10,"region":"eu-central-1"}"#;
        for none in ["", r#","arguments":{}"#, r#","arguments":null"#, r#","argum\u0065nts":{ }"#] {
            assert_eq!(called(none).unwrap(), both, "{none}");
        }
        assert_eq!(
            called(r#","arguments":{"limit":1,"q":"x"}"#).unwrap(),
            r#"{"limit":1,"q":"x","region":"eu-central-1"}"#
        );
        for fixed in ["region", "re\\u0067ion"] {
            let refused = called(&format!(r#","arguments":{{"q":1,"{fixed}":"us-east-1"}}"#));
            assert_eq!(refused, Err(Unfit::Fixed("region".to_owned())));
        }
        assert_eq!(called(r#","arguments":[1]"#), Err(Unfit::NoObject));
    }

    proptest! {
        #[test]
        fn what_is_not_overridden_passes_byte_for_byte(
            number in r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            word in "[^\"\\\\\\x00-\\x1f]{0,20}",
            space in "[ \t\n]{0,3}",
        ) {
            let rest = format!("\"x\":{space}{number}{space},{space}\"y\":{space}[\"{word}\"{space}]");
            let before = format!("{{{rest},\"description\":\"theirs\",\"inputSchema\":{{{rest}}}}}");
            let with = Override { description: Some("\"ours\"".to_owned()), ..region_and_limit() };
            prop_assert_eq!(told_as(&before, &with).0, before.replace("theirs", "ours"));
        }
    }
}
