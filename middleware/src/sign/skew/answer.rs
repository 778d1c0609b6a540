//! Whether an answer says that a signature's time was wrong.

use super::super::time;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::SystemTime;

/// What services call it.
const CODES: [&str; 4] =
    ["RequestTimeTooSkewed", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"];

/// Whether a refusal of this kind may be about the time at all.
pub(super) fn may_be_about_time(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// What time it is there.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    time::http_date(headers.get(header::DATE)?.as_bytes())
}

/// The code, where a header tells it: `true` when it is one of those.
pub(super) fn header_says_so(headers: &HeaderMap) -> Option<bool> {
    let code = headers.get("x-amzn-errortype").map(HeaderValue::as_bytes)?;
    let code = code.split(|byte| *byte == b':').next().unwrap_or_default();
    let code = code.rsplit(|byte| *byte == b'#').next().unwrap_or_default();
    Some(CODES.iter().any(|known| known.as_bytes() == code))
}

/// Whether a body names one of the codes: in XML between tags, in JSON behind a `#` or a quotation mark.
pub(super) fn body_says_so(body: &[u8]) -> bool {
    CODES.iter().any(|code| {
        body.windows(code.len() + 2).any(|window| {
            matches!(window, [b'>' | b'"' | b'#', code_there @ .., b'<' | b'"' | b':'] if code_there == code.as_bytes())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_says_it_its_own_way() {
        for body in [
            r#"<Error><Code>RequestTimeTooSkewed</Code><Message>x</Message></Error>"#,
            r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"x"}"#,
            r#"{"code": "SignatureDoesNotMatch"}"#,
            "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>",
        ] {
            assert!(body_says_so(body.as_bytes()), "{body}");
        }
        for body in ["", "{}", "<Code>AccessDenied</Code>", "the word SignatureDoesNotMatch in a sentence"] {
            assert!(!body_says_so(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_header_may_say_it_first() {
        let says = |value: &'static str| {
            header_says_so(&HeaderMap::from_iter([(
                "x-amzn-errortype".parse().unwrap(),
                HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(says("InvalidSignatureException:http://internal.amazon.com/coral/"), Some(true));
        assert_eq!(says("AccessDeniedException"), Some(false));
        assert_eq!(header_says_so(&HeaderMap::new()), None);
    }
}
