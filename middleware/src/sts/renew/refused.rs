//! What an answer says about the credentials it was asked with.

use http::{Response, StatusCode};

/// That they are over, or that nobody knows them.
const CODES: [&str; 6] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidToken",
    "UnrecognizedClient",
    "UnrecognizedClientException",
];

/// Whether AWS does not accept the credentials any more.
pub(super) fn refuses_credentials<B>(response: &Response<B>) -> bool {
    let status = matches!(
        response.status(),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    let code = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    status && code.is_some_and(|code| CODES.contains(&bare(code)))
}

/// Some services write `namespace#Code:http://…`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(status: u16, code: &str) -> bool {
        let response = Response::builder().status(status).header("x-amzn-errortype", code);
        refuses_credentials(&response.body(()).unwrap())
    }

    #[test]
    fn only_what_new_credentials_would_end_is_tried_again() {
        for code in CODES {
            assert!(judge(403, code), "{code}");
        }
        assert!(judge(400, "com.amazon.coral.service#UnrecognizedClientException:http://internal/"));
        assert!(!judge(403, "AccessDeniedException") && !judge(200, "ExpiredToken"));
        assert!(!refuses_credentials(&Response::builder().status(403).body(()).unwrap()));
    }
}
