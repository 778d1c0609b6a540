//! Which era a request belongs to. It is decided per request, and checked against the headers before anybody looks at
//! those.

use super::{
    error::Refusal,
    message::Message,
    names::{METHOD, NAME, VERSION, decoded, only},
};
use axum::http::{HeaderMap, HeaderName};

/// The version whose requests carry everything themselves.
const MODERN: &str = "2026-07-28";
/// Versions that open a session first.
pub(super) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
pub(super) const SUPPORTED: [&str; 4] = [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"];

/// How requests of one version are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// Each request is complete.
    Modern,
    /// `initialize` opens a session, and what follows belongs to it.
    Legacy,
}

impl Era {
    /// The era of a message, whose headers say the same as it does.
    pub(super) fn of(message: &Message<'_>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let said = headers.contains_key(VERSION).then(|| only(headers, &VERSION));
        match (message.version(), said) {
            (Some(version), _) => modern(version, message, headers).map(|()| Self::Modern),
            (None, None) => Ok(Self::Legacy),
            (None, Some(Some(version))) if LEGACY.contains(&version) => Ok(Self::Legacy),
            // Only requests say everything themselves.
            (None, Some(Some(MODERN))) if message.id.is_none() => Ok(Self::Modern),
            (None, Some(Some(MODERN))) => Err(Refusal::invalid_params(
                "`_meta` has to name the version of the protocol, as the header does",
            )),
            (None, Some(Some(version))) => Err(Refusal::unsupported_version(version, &SUPPORTED)),
            (None, Some(None)) => Err(not_once(&VERSION)),
        }
        .map_err(|refusal| refusal.answering(message.id))
    }

    /// The era of a request without a message: `GET` and `DELETE` are about sessions.
    pub(super) fn without_message(headers: &HeaderMap) -> Result<Self, Refusal> {
        match headers.contains_key(VERSION).then(|| only(headers, &VERSION)) {
            None => Ok(Self::Legacy),
            Some(Some(MODERN)) => Ok(Self::Modern),
            Some(Some(version)) if LEGACY.contains(&version) => Ok(Self::Legacy),
            Some(version) => Err(Refusal::unsupported_version(version.unwrap_or_default(), &SUPPORTED)),
        }
    }
}

fn modern(version: &str, message: &Message<'_>, headers: &HeaderMap) -> Result<(), Refusal> {
    let method = message.method.as_deref().unwrap_or_default();
    same(headers, &VERSION, version)?;
    if version != MODERN {
        return Err(Refusal::unsupported_version(version, &SUPPORTED));
    }
    same(headers, &METHOD, method)?;
    if let Some(subject) = message.subject() {
        same(headers, &NAME, subject)?;
    }
    // Only the extension wants it there, and not everybody who speaks that.
    if let Some((task, _)) = message.task()
        && headers.contains_key(NAME)
    {
        same(headers, &NAME, &task)?;
    }
    if ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"]
        .contains(&method)
    {
        return Err(Refusal::unknown_method(method));
    }
    Ok(())
}

fn same(headers: &HeaderMap, name: &HeaderName, body: &str) -> Result<(), Refusal> {
    let value = only(headers, name).ok_or_else(|| not_once(name))?;
    let value = if *name == NAME { decoded(value) } else { Some(value.into()) };
    match value {
        Some(value) if value == body => Ok(()),
        Some(_) => {
            Err(Refusal::header_mismatch(format!("the header {name} does not say what the body says")))
        }
        None => Err(Refusal::header_mismatch(format!("the header {name} is not well encoded"))),
    }
}

fn not_once(name: &HeaderName) -> Refusal {
    Refusal::header_mismatch(format!("the header {name} has to be there once, as text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;

    fn era(body: &str, headers: &[(&'static str, &'static str)]) -> Result<Era, i64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Era::of(&Message::parse(body.as_bytes()).unwrap(), &headers).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_modern_request_says_the_same_twice() {
        let version = ("mcp-protocol-version", "2026-07-28");
        let method = ("mcp-method", "tools/call");
        for name in ["a", "=?base64?YQ==?="] {
            assert_eq!(era(CALL, &[version, method, ("mcp-name", name)]), Ok(Era::Modern), "{name}");
        }
        for headers in [
            &[][..],
            &[version, method],
            &[version, ("mcp-name", "a")],
            &[method, ("mcp-name", "a")],
            &[version, method, ("mcp-name", "b")],
            &[version, method, ("mcp-name", "=?base64??")],
            &[version, ("mcp-method", "tools/list"), ("mcp-name", "a")],
            &[("mcp-protocol-version", "2025-11-25"), method, ("mcp-name", "a")],
        ] {
            assert_eq!(era(CALL, headers), Err(-32020), "{headers:?}");
        }
    }

    #[test]
    fn versions_and_methods_that_do_not_exist_are_named() {
        let other = CALL.replace("2026-07-28", "1900-01-01");
        assert_eq!(era(&other, &[("mcp-protocol-version", "1900-01-01")]), Err(-32022));
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(era(list, &[("mcp-protocol-version", "1900-01-01")]), Err(-32022));
        assert_eq!(era(list, &[("mcp-protocol-version", "2026-07-28")]), Err(-32602));
        let told = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(
            era(told, &[("mcp-protocol-version", "2026-07-28")]),
            Ok(Era::Modern),
            "it needs no `_meta`"
        );
        assert_eq!(era(list, &[("mcp-protocol-version", "2025-06-18")]), Ok(Era::Legacy));
        assert_eq!(era(list, &[]), Ok(Era::Legacy));
        let ping = CALL.replace("tools/call", "ping");
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "ping")];
        assert_eq!(era(&ping, &headers), Err(-32601));
    }
}
