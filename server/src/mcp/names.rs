//! The headers of MCP, and how they hold text that a header cannot.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::borrow::Cow;

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) const NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const PARAM_PREFIX: &str = "mcp-param-";

/// The only value of a header, as text; `None` where there are several, or none that is text.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// What a header's value stands for: itself, or what the sentinel says is encoded.
pub(super) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The value that stands for `text`: itself where it can, or what the sentinel says is encoded.
pub(super) fn encoded(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    let value = if plain {
        Cow::Borrowed(text)
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(text)).into()
    };
    HeaderValue::try_from(value.as_ref()).ok()
}

/// The headers that a backend needs of what a client sent, besides the usual ones.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let passes = |name: &HeaderName| [METHOD, NAME].contains(name) || name.as_str().starts_with(PARAM_PREFIX);
    headers
        .iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The headers that say what is in a tool's arguments.
pub(super) fn params(headers: &HeaderMap) -> HeaderMap {
    let params = headers.iter().filter(|(name, _)| name.as_str().starts_with(PARAM_PREFIX));
    params.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_value_stands_for_itself_or_for_what_it_encodes() {
        for (value, meant) in [
            ("us-west1", Some("us-west1")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", Some("=?base64?literal?=")),
            ("=?base64?not base64?=", None),
            ("=?base64?/w==?=", None),
            ("=?Base64?YQ==?=", Some("=?Base64?YQ==?=")),
        ] {
            assert_eq!(decoded(value).as_deref(), meant, "{value}");
        }
    }

    #[test]
    fn every_text_has_a_value_that_stands_for_it() {
        for text in
            ["whoami", "two words", " space", "", "Hello, 世界", "=?base64?literal?=", "line\r\nbreak"]
        {
            let value = encoded(text).unwrap();
            assert_eq!(decoded(value.to_str().unwrap()).as_deref(), Some(text));
        }
        assert_eq!(encoded("whoami").unwrap(), "whoami");
    }

    #[test]
    fn a_header_that_is_sent_twice_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(NAME, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &NAME), Some("a"));
        headers.append(NAME, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &NAME), None);
    }
}
