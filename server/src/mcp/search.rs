//! Two tools instead of many: one finds tools by words, among those that the caller may see, and the other calls them. What
//! it calls passes everything that a direct call passes.

use super::{
    catalog::Kind,
    error::{Refusal, Refused, answer},
    index::Index,
    message::Message,
    object::Object,
    talk::Talk,
    wire::{Edits, quoted},
};
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) const FIND: &str = "find_tool";
pub(super) const CALL: &str = "call_tool";
/// How many tools are found at most, and where nothing is said.
const MOST: usize = 20;
const USUAL: usize = 5;
/// How much more a word counts in a tool's name than elsewhere.
const NAME_COUNTS: u32 = 3;

/// What clients are told that there is.
pub(super) const TOOLS: &str = r#"[{"name":"find_tool","title":"Find a tool","description":"Finds tools by words that say what they do, the best first. Gives the name, the description and the input schema of each. Call them with call_tool.","inputSchema":{"type":"object","properties":{"query":{"type":"string","description":"A few words about what the tool should do"},"limit":{"type":"integer","description":"How many tools to give","minimum":1,"maximum":20,"default":5}},"required":["query"],"additionalProperties":false},"annotations":{"readOnlyHint":true}},{"name":"call_tool","title":"Call a tool","description":"Calls a tool that find_tool has found.","inputSchema":{"type":"object","properties":{"name":{"type":"string","description":"The name of the tool, as find_tool gives it"},"arguments":{"type":"object","description":"What the tool's input schema asks for"}},"required":["name"],"additionalProperties":false}}]"#;

/// A tool, as far as somebody looks for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
}

impl Talk<'_> {
    /// The tools that fit the words of the call best.
    pub(super) async fn find_tools(
        &self,
        message: &Message<'_>,
        id: &RawValue,
    ) -> Result<Response<Body>, Refused> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Asked {
            query: String,
            limit: Option<usize>,
        }
        let given = message.params.arguments.map_or("{}", RawValue::get);
        let asked: Asked = match serde_json::from_str(given) {
            Ok(asked) => asked,
            Err(_) => return Ok(self.told(id, "Say `query`, a text, and perhaps `limit`, a number.", None)),
        };
        let limit = asked.limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Ok(self.told(id, "`limit` is between 1 and 20.", None));
        }
        let all = Box::pin(self.list_all(Kind::Tools)).await?;
        let tools: Vec<&RawValue> = serde_json::from_str(&all.items).map_err(|_| Refusal::defect())?;
        let mut index = Index::default();
        tools.iter().for_each(|tool| describe(&mut index, tool));
        let found = index.best(&asked.query, limit).into_iter().filter_map(|place| tools.get(place).copied());
        let found: Vec<String> = found.filter_map(shortly).collect();
        let found = format!(r#"{{"tools":[{}]}}"#, found.join(","));
        let meta = all.status.into_value().to_string();
        Ok(self.told(id, &found, Some((&found, &meta))))
    }

    /// The call that a call of `call_tool` stands for, as a message of its own.
    pub(super) fn meant(message: &Message<'_>, body: &Bytes) -> Result<Bytes, Refused> {
        let wrong = |what: &str| Refused::from(Refusal::invalid_params(what).with_status(StatusCode::OK));
        let no_name = || wrong("`arguments` of `call_tool` name a tool, and perhaps its own `arguments`");
        let given = message.params.arguments.ok_or_else(no_name)?;
        let members = Object::parse(given).ok_or_else(no_name)?;
        let known = |name: &str| ["name", "arguments"].contains(&name);
        let twice = ["name", "arguments"].iter().any(|name| members.all(name).count() > 1);
        if twice || !members.names().all(known) {
            return Err(no_name());
        }
        let name =
            members.all("name").next().filter(|name| name.get().starts_with('"')).ok_or_else(no_name)?;
        let arguments = members.all("arguments").next().map_or("{}", RawValue::get);
        let written = message.params.name.as_ref().map_or("", |name| name.written);
        let mut edits = Edits::of(body);
        edits.replace(written, name.get());
        edits.replace(given.get(), arguments);
        Ok(edits.done())
    }

    /// The answer of a tool of ours: what was found, and how the backends fared; or why nothing was.
    fn told(&self, id: &RawValue, text: &str, found: Option<(&str, &str)>) -> Response<Body> {
        let more = match found {
            Some((found, meta)) => format!(r#","structuredContent":{found},"_meta":{meta},"isError":false"#),
            None => r#","isError":true"#.to_owned(),
        };
        let complete = if self.speech.is_modern() { r#","resultType":"complete""# } else { "" };
        let text = quoted(text);
        answer(id, &format!(r#"{{"content":[{{"type":"text","text":{text}}}]{more}{complete}}}"#))
    }
}

/// Adds the words of a tool: of its names, of what is said of it, and of its arguments' names.
fn describe(index: &mut Index, tool: &RawValue) {
    let Some(tool) = Object::parse(tool) else { return index.add([]) };
    let text =
        |name: &str| tool.all(name).last().and_then(|text| serde_json::from_str::<String>(text.get()).ok());
    let texts = [("name", NAME_COUNTS), ("title", NAME_COUNTS), ("description", 1)];
    let texts: Vec<_> = texts.into_iter().filter_map(|(name, counts)| Some((text(name)?, counts))).collect();
    let schema = tool.all("inputSchema").last().and_then(Object::parse);
    let properties = schema.and_then(|schema| schema.all("properties").last()).and_then(Object::parse);
    let arguments: Vec<String> =
        properties.iter().flat_map(|properties| properties.names().map(str::to_owned)).collect();
    let arguments = arguments.iter().map(|name| (name.as_str(), 1));
    index.add(texts.iter().map(|(text, counts)| (text.as_str(), *counts)).chain(arguments));
}

/// What somebody needs to know of a tool to call it, as its backend wrote it.
fn shortly(tool: &RawValue) -> Option<String> {
    let Tool { name, description, input_schema } = serde_json::from_str(tool.get()).ok()?;
    let member = |key: &str, value: Option<&RawValue>| {
        value.map(|value| format!(",\"{key}\":{}", value.get())).unwrap_or_default()
    };
    let (description, schema) = (member("description", description), member("inputSchema", input_schema));
    Some(format!("{{\"name\":{}{description}{schema}}}", name.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_say_of_ourselves_is_json() {
        let tools: Vec<serde_json::Value> = serde_json::from_str(TOOLS).unwrap();
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, [FIND, CALL]);
        let limit = &tools[0]["inputSchema"]["properties"]["limit"];
        assert_eq!((limit["maximum"].as_u64(), limit["default"].as_u64()), (Some(20), Some(5)));
    }

    fn meant(arguments: &str) -> Result<String, Refused> {
        let body = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0", "id":18446744073709551615,"method":"tools/call","params":{{"name":"call_tool",
                "x":1e400,"arguments":{arguments},"_meta":{{"progressToken":1}}}}}}"#
        ));
        let made = Talk::meant(&Message::parse(&body).unwrap(), &body)?;
        Ok(String::from_utf8(made.to_vec()).unwrap())
    }

    #[test]
    fn a_call_of_a_call_is_that_call_and_the_rest_stays() {
        for (given, arguments) in [
            (r#"{ "name":"a\u0062","arguments":{"deep":[1.0]} }"#, r#"{"deep":[1.0]}"#),
            (r#"{"arguments":{},"name":"a\u0062"}"#, "{}"),
            (r#"{"name":"a\u0062"}"#, "{}"),
        ] {
            assert_eq!(
                meant(given).unwrap(),
                format!(
                    r#"{{"jsonrpc":"2.0", "id":18446744073709551615,"method":"tools/call","params":{{"name":"a\u0062",
                "x":1e400,"arguments":{arguments},"_meta":{{"progressToken":1}}}}}}"#
                )
            );
        }
        for wrong in ["{}", "[]", r#"{"name":7}"#, r#"{"name":"a","x":1}"#, r#"{"name":"a","name":"b"}"#] {
            assert!(meant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_tool_is_told_as_it_was_written() {
        let tool = r#"{"name":"a", "title":"T","inputSchema":{"x":1.0},"description":"d","annotations":{}}"#;
        let told = shortly(serde_json::from_str(tool).unwrap()).unwrap();
        assert_eq!(told, r#"{"name":"a","description":"d","inputSchema":{"x":1.0}}"#);
    }
}
