//! One JSON-RPC message, read only as far as somebody has to know it.
//!
//! Everything that is not named here passes byte for byte, because nobody ever parses it.

use super::error::Refusal;
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
}

/// What routing and policy look at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Params<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) uri: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Debug, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
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
        let params = params.map_or_else(|| Ok(Params::default()), known)?;
        Ok(Self { id: id.filter(|_| !answers), method, params })
    }

    /// The version of the protocol that the message itself speaks: modern ones do.
    pub(super) fn version(&self) -> Option<&str> {
        self.params.meta.as_ref()?.version.as_deref()
    }

    /// What the headers of a modern request have to repeat beside the method.
    pub(super) fn subject(&self) -> Option<&str> {
        match self.method.as_deref()? {
            "tools/call" | "prompts/get" => self.params.name.as_deref(),
            "resources/read" => self.params.uri.as_deref(),
            _ => None,
        }
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
