//! One JSON-RPC message, read only as far as somebody has to know it.
//!
//! Everything that is not named here passes byte for byte, because nobody ever parses it.

use super::{abilities, error::Refusal};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A message from a client.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// What the answer has to carry; `None` for a notification, or for an answer of the client's.
    pub(super) id: Option<&'a RawValue>,
    /// `None` where the client answers a question of the server's.
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Params<'a>,
    /// The same, as they were written.
    pub(super) written: Option<&'a RawValue>,
    /// The id of the question that the client answers, and the answer, where that is no error.
    pub(super) answers: Option<&'a RawValue>,
    pub(super) result: Option<&'a RawValue>,
}

/// What routing and policy look at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) uri: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) cursor: Option<&'a RawValue>,
    /// What a completion is for.
    #[serde(borrow, rename = "ref")]
    pub(super) reference: Option<&'a RawValue>,
    /// The request that is cancelled.
    #[serde(borrow)]
    pub(super) request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) level: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) protocol_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) capabilities: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) client_info: Option<&'a RawValue>,
    /// What a subscription wants to hear.
    #[serde(borrow)]
    pub(super) notifications: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request_state: Option<&'a RawValue>,
    /// What the client answers to what a request needs.
    #[serde(borrow)]
    pub(super) input_responses: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    /// How long a call is to go on as a task.
    #[serde(borrow)]
    task: Option<&'a RawValue>,
    #[serde(borrow)]
    task_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "meta")]
    pub(super) meta: Option<Meta<'a>>,
}

/// A text, and how it was written.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) written: &'a str,
    pub(super) value: String,
}

/// What a modern request says about itself, and what any may say.
#[derive(Debug, Deserialize)]
pub(super) struct Meta<'a> {
    /// All of it, as it was written.
    #[serde(skip)]
    pub(super) written: &'a str,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(super) capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    pub(super) client: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    pub(super) token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads the body of a POST.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(Refusal::invalid_request("send one message at a time: batches are not served"));
        }
        let envelope: Envelope<'a> =
            serde_json::from_slice(body).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => {
                    Refusal::invalid_request("the body is no JSON-RPC request, notification or response")
                }
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => Refusal::parse_error(),
            })?;
        let Envelope { jsonrpc, id, method, params, result, error } = envelope;
        let answers = result.is_some() || error.is_some();
        if jsonrpc != "2.0" || method.is_some() == answers || (answers && id.is_none()) {
            return Err(Refusal::invalid_request(
                "the body is no JSON-RPC request, notification or response",
            ));
        }
        if !id.is_none_or(names_a_request) {
            return Err(Refusal::invalid_request("an id is a string or a whole number"));
        }
        let known = |params: &'a RawValue| {
            serde_json::from_str(params.get())
                .map_err(|_| Refusal::invalid_params("`params` is not what this method takes").answering(id))
        };
        let written = params;
        let params = written.map_or_else(|| Ok(Params::default()), known)?;
        let (id, answers) = if answers { (None, id) } else { (id, None) };
        Ok(Self { id, method, params, written, answers, result })
    }

    /// The version of the protocol that the message itself speaks: modern ones do.
    pub(super) fn version(&self) -> Option<&str> {
        self.params.meta.as_ref()?.version.as_deref()
    }

    /// The task that it is about, and how that was written.
    pub(super) fn task(&self) -> Option<(String, &'a str)> {
        let written = self.params.task_id.filter(|_| self.is_about_a_task())?.get();
        Some((serde_json::from_str(written).ok()?, written))
    }

    pub(super) fn is_about_a_task(&self) -> bool {
        ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]
            .contains(&self.method.as_deref().unwrap_or_default())
    }

    /// Whether its answer may be a task, or say something of one.
    pub(super) fn may_be_answered_with_a_task(&self) -> bool {
        let capabilities = self.params.meta.as_ref().and_then(|meta| meta.capabilities);
        let knows_tasks = || capabilities.is_some_and(abilities::extends_to_tasks);
        match self.method.as_deref() {
            Some("tools/call") => self.params.task.is_some() || knows_tasks(),
            _ => self.is_about_a_task(),
        }
    }

    /// [`subject`](Self::subject), as it was written.
    pub(super) fn subject_written(&self) -> Option<&'a str> {
        match self.method.as_deref()? {
            "tools/call" | "prompts/get" => self.params.name.as_ref().map(|name| name.written),
            "resources/read" => self.params.uri.as_ref().map(|uri| uri.written),
            _ => None,
        }
    }

    /// What the headers of a modern request have to repeat beside the method.
    pub(super) fn subject(&self) -> Option<&str> {
        match self.method.as_deref()? {
            "tools/call" | "prompts/get" => self.params.name.as_ref().map(|name| name.value.as_str()),
            "resources/read" => self.params.uri.as_ref().map(|uri| uri.value.as_str()),
            _ => None,
        }
    }
}

fn meta<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Meta<'a>>, D::Error> {
    let Some(written) = Option::<&'a RawValue>::deserialize(deserializer)? else { return Ok(None) };
    let meta: Meta<'a> = serde_json::from_str(written.get()).map_err(serde::de::Error::custom)?;
    Ok(Some(Meta { written: written.get(), ..meta }))
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = <&RawValue>::deserialize(deserializer)?.get();
        let value = serde_json::from_str(written).map_err(serde::de::Error::custom)?;
        Ok(Self { written, value })
    }
}

/// `null` is a value here, which `Option` alone would take for an absent one.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn names_a_request(id: &RawValue) -> bool {
    let text = id.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('"') || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let body = br#" {"jsonrpc":"2.0","id":18446744073709551615,"method":"tools/call","x":1e400,
            "params":{"name":"a\u0020b","arguments":{"deep":[[[]]]},
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","k":null}}}"#;
        let message = Message::parse(body).unwrap();
        assert_eq!(message.id.unwrap().get(), "18446744073709551615");
        assert_eq!(message.subject(), Some("a b"));
        assert_eq!(message.version(), Some("2026-07-28"));
    }

    #[test]
    fn each_kind_of_message_is_told_apart() {
        let kind = |body: &str| {
            let message = Message::parse(body.as_bytes()).unwrap();
            (message.id.is_some(), message.method.is_some())
        };
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":"a","method":"m"}"#), (true, true));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","method":"m"}"#), (false, true));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), (false, false));
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#), (false, false));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (body, code) in [
            ("", -32700),
            ("{", -32700),
            ("[]", -32600),
            (" [{}]", -32600),
            ("1", -32600),
            ("{}", -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#, -32600),
            (r#"{"jsonrpc":"2.0","result":1}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#, -32602),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#, -32602),
        ] {
            assert_eq!(Message::parse(body.as_bytes()).unwrap_err().code(), code, "{body}");
        }
    }
}
