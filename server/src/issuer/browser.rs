//! Which browser it is: a cookie that says nothing but that.

use super::{error::Fault, secret};
use axum::http::{HeaderMap, HeaderValue, header};
use std::time::Duration;

/// How browsers are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Browsers {
    /// Over https nobody else may set the cookie, not even another host of the same domain.
    secure: bool,
}

/// The browser that sent a request.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    pub(super) secret: String,
    /// What it has to keep, where it is new.
    pub(super) cookie: Option<HeaderValue>,
}

/// As long as a consent is remembered.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

impl Browsers {
    /// Of a server whose address is `issuer`.
    pub(super) fn at(issuer: &str) -> Self {
        Self { secure: issuer.starts_with("https://") }
    }

    /// The browser that this is, or `None` where it never was here.
    pub(super) fn known(self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut ours = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name())
            .map(|(_, value)| value);
        let value = ours.next().filter(|value| is_secret(value))?;
        // Two of them are one more than we set.
        ours.next().is_none().then(|| value.to_owned())
    }

    /// The browser that this is, which may begin to be one now.
    pub(super) fn of(self, headers: &HeaderMap) -> Result<Browser, Fault> {
        if let Some(secret) = self.known(headers) {
            return Ok(Browser { secret, cookie: None });
        }
        let secret = secret::fresh()?;
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = KEPT.as_secs();
        let cookie =
            format!("{}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name());
        let cookie = HeaderValue::try_from(cookie).map_err(|_| Fault::defect("a cookie fits no header"))?;
        Ok(Browser { secret, cookie: Some(cookie) })
    }

    const fn name(self) -> &'static str {
        if self.secure { "__Host-countersign" } else { "countersign" }
    }
}

/// Whether it is one that we may have made: 32 bytes in base64url.
fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|value| (header::COOKIE, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_browser_is_known_by_what_it_was_given() {
        let browsers = Browsers::at("https://mcp.example.com");
        let new = browsers.of(&headers(&["theme=dark"])).unwrap();
        let cookie = new.cookie.unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.starts_with(&format!("__Host-countersign={}; Path=/; Max-Age=", new.secret)),
            "{cookie}"
        );
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        for sent in [vec![pair], vec!["a=b", pair], vec![&format!("a=b; {pair}; c=d")]] {
            assert_eq!(browsers.known(&headers(&sent)).as_ref(), Some(&new.secret), "{sent:?}");
            assert!(browsers.of(&headers(&sent)).unwrap().cookie.is_none());
        }
        let plain = Browsers::at("http://127.0.0.1:8080").of(&HeaderMap::new()).unwrap();
        assert!(!plain.cookie.unwrap().to_str().unwrap().contains("Secure"));
    }

    #[test]
    fn what_we_did_not_make_is_no_browser() {
        let browsers = Browsers::at("https://mcp.example.com");
        let secret = "a".repeat(43);
        for cookies in [
            vec![format!("countersign={secret}")],
            vec!["__Host-countersign=short".into()],
            vec![format!("__Host-countersign={secret}"), format!("__Host-countersign={secret}")],
            vec![format!("__Host-countersign={};", "a\"".repeat(21))],
        ] {
            let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
            assert_eq!(browsers.known(&headers(&cookies)), None, "{cookies:?}");
        }
    }
}
