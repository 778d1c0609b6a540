use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, sync::Arc};

/// Headers that every request to a backend gets, with values from its configuration.
///
/// ```
/// use countersign::attach::FixedHeaders;
///
/// let headers = FixedHeaders::builder()
///     .with("authorization", "Bearer of-this-service".into())
///     .with("x-tenant", "acme".into())
///     .replacing("user-agent", "countersign".into())
///     .build()?;
/// assert!(!format!("{headers:?}").contains("of-this-service"));
///
/// let error = FixedHeaders::builder().with("x-tenant", "acme\r\nx-admin: 1".into()).build().unwrap_err();
/// assert_eq!(error.problems(), [r#"header "x-tenant": the value holds a line break or another control character"#]);
/// # Ok::<(), countersign::attach::InvalidHeaders>(())
/// ```
#[derive(Clone)]
pub struct FixedHeaders(Arc<[Fixed]>);

#[derive(Clone)]
pub(super) struct Fixed {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    pub(super) replaces: bool,
}

/// Puts [`FixedHeaders`] together.
#[derive(Clone, Default)]
pub struct FixedHeadersBuilder {
    headers: Vec<(String, SecretString, bool)>,
}

/// What is wrong with them, each with its name. Values are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidHeaders {
    problems: Vec<String>,
}

impl FixedHeaders {
    /// None so far.
    pub fn builder() -> FixedHeadersBuilder {
        FixedHeadersBuilder::default()
    }

    pub(super) fn none() -> Self {
        Self([].into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them all onto a request, or none: `Err` names one that is there already.
    pub(super) fn put_onto(&self, headers: &mut HeaderMap) -> Result<(), &HeaderName> {
        if let Some(there) = self.0.iter().find(|fixed| !fixed.replaces && headers.contains_key(&fixed.name))
        {
            return Err(&there.name);
        }
        for fixed in self.0.iter() {
            headers.insert(fixed.name.clone(), fixed.value.clone());
        }
        Ok(())
    }
}

impl FixedHeadersBuilder {
    /// A header that no request has yet. One that has it, because a client may decide it or a layer set it, is refused.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.headers.push((name.into(), value, false));
        self
    }

    /// A header in the place of whatever the request has by this name.
    #[must_use]
    pub fn replacing(mut self, name: impl Into<String>, value: SecretString) -> Self {
        self.headers.push((name.into(), value, true));
        self
    }

    /// The headers.
    ///
    /// # Errors
    ///
    /// Everything that no header can be, at once: names and values that are none, names that are there twice, and what
    /// is the transport's to set.
    pub fn build(self) -> Result<FixedHeaders, InvalidHeaders> {
        let (mut fixed, mut problems) = (Vec::<Fixed>::new(), Vec::new());
        for (name, value, replaces) in self.headers {
            let mut complain = |problem: &str| problems.push(format!("header {name:?}: {problem}"));
            let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
                complain("is no name; use letters, digits and hyphens");
                continue;
            };
            if is_the_transports(&parsed) {
                complain("is set by the transport, or belongs to one connection; remove it");
            }
            if fixed.iter().any(|other| other.name == parsed) {
                complain("is there twice; remove one");
            }
            // A tab inside would be allowed, and so would bytes that not every server reads alike.
            let value = value.expose_secret();
            if value.bytes().any(|byte| byte.is_ascii_control()) {
                complain("the value holds a line break or another control character");
                continue;
            }
            if !value.is_ascii() {
                complain("the value is not plain ASCII text");
                continue;
            }
            match HeaderValue::from_str(value) {
                Ok(_) if value.is_empty() => complain("the value is empty; remove the header or name one"),
                Ok(mut value) => {
                    value.set_sensitive(true);
                    fixed.push(Fixed { name: parsed, value, replaces });
                }
                Err(_) => complain("the value holds something that no header can have"),
            }
        }
        if problems.is_empty() { Ok(FixedHeaders(fixed.into())) } else { Err(InvalidHeaders { problems }) }
    }
}

impl InvalidHeaders {
    /// One line each: where, what, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for InvalidHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for InvalidHeaders {}

impl fmt::Debug for FixedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|fixed| fixed.name.as_str())).finish()
    }
}

impl fmt::Debug for FixedHeadersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.headers.iter().map(|(name, ..)| name)).finish()
    }
}

fn is_the_transports(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 7] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    NAMES.contains(name)
        || ["keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"]
            .contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(headers: &[(&str, &str)]) -> Vec<String> {
        let builder = headers
            .iter()
            .fold(FixedHeaders::builder(), |builder, (name, value)| builder.with(*name, (*value).into()));
        builder.build().unwrap_err().problems
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        let all = problems(&[
            ("x y", "secret"),
            ("host", "secret"),
            ("Connection", "secret"),
            ("x-a", "secret\nx-b: 1"),
            ("x-a", "secret\r"),
            ("x-b", "s\u{e9}cret"),
            ("x-c", ""),
            ("X-D", "secret"),
            ("x-d", "secret"),
        ]);
        assert_eq!(all.len(), 8, "{all:#?}");
        assert!(!all.iter().any(|problem| problem.contains("secret")), "{all:#?}");
    }

    #[test]
    fn nothing_is_replaced_silently_and_all_or_none_are_put_there() {
        let fixed = FixedHeaders::builder()
            .replacing("user-agent", "us".into())
            .with("authorization", "Bearer fixed".into())
            .build()
            .unwrap();
        let mut headers = HeaderMap::new();
        headers.append("user-agent", HeaderValue::from_static("them"));
        headers.append("user-agent", HeaderValue::from_static("and them"));
        fixed.put_onto(&mut headers).unwrap();
        assert_eq!(headers.get_all("user-agent").iter().collect::<Vec<_>>(), ["us"]);
        assert!(headers["authorization"].is_sensitive());

        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer other"));
        assert_eq!(fixed.put_onto(&mut headers).unwrap_err(), "authorization");
        assert!(!headers.contains_key("user-agent"));
    }
}
