//! As much of a message as says where it goes.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a message is about. Ids and tokens are as they were written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) id: Option<String>,
    pub(super) method: Option<String>,
    /// Of an error.
    pub(super) code: Option<i64>,
    /// The request whose progress it tells.
    pub(super) token: Option<String>,
    /// The request that is cancelled.
    pub(super) cancels: Option<String>,
    /// The request that subscribed to it.
    pub(super) subscription: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Coded {
    code: i64,
}

impl About {
    /// `None` where it is no message.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let Message { id, method, params, result, error } = serde_json::from_slice(text).ok()?;
        if method.is_none() && (id.is_none() || (result.is_none() && error.is_none())) {
            return None;
        }
        let notifies = id.is_none();
        let params: Params<'_> = params
            .filter(|_| notifies)
            .and_then(|params| serde_json::from_str(params.get()).ok())
            .unwrap_or_default();
        let written = |part: Option<&RawValue>| part.map(|part| part.get().to_owned());
        let code = error.and_then(|error| serde_json::from_str(error.get()).ok()).map(|Coded { code }| code);
        Some(Self {
            id: written(id),
            method: method.map(Cow::into_owned),
            code,
            token: written(params.progress_token),
            cancels: written(params.request_id),
            subscription: written(params.meta.and_then(|meta| meta.subscription)),
        })
    }
}

/// The message on a line of its own: a line break in JSON stands between tokens, where a space is as good.
pub(super) fn as_line(text: &[u8]) -> Bytes {
    let in_one = text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte });
    in_one.chain([b'\n']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<About> {
        About::read(text.as_bytes())
    }

    #[test]
    fn what_a_message_is_about_is_read() {
        let text = |text: &str| Some(text.to_owned());
        let answer = read(r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601}}"#).unwrap();
        assert_eq!((answer.id, answer.method, answer.code), (text("\"a\""), None, Some(-32601)));
        let question = read(r#"{"id":7,"method":"ping"}"#).unwrap();
        assert_eq!((question.id, question.method), (text("7"), text("ping")));
        let progress =
            read(r#"{"method":"notifications/progress","params":{"progressToken":18446744073709551616}}"#);
        assert_eq!(progress.unwrap().token, text("18446744073709551616"));
        let changed = read(
            r#"{"method":"m","params":{"requestId":1,"_meta":{"io.modelcontextprotocol/subscriptionId":2}}}"#,
        );
        let changed = changed.unwrap();
        assert_eq!((changed.cancels, changed.subscription), (text("1"), text("2")));
        for other in ["", "started", "[]", "7", "{}", r#"{"id":1}"#, r#"{"result":{}}"#, "{\"method\":"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_message_has_a_line_of_its_own() {
        let pretty = "{\r\n \"id\": 1,\n \"method\": \"a\\nb\"\n}\n";
        assert_eq!(as_line(pretty.as_bytes()), "{   \"id\": 1,  \"method\": \"a\\nb\" } \n");
    }
}
