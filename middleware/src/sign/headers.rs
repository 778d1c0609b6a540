//! Which headers are signed, which pass unsigned, and which stay behind.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::collections::HashSet;

/// Which headers a signature covers.
///
/// ```
/// use countersign::sign::{SignRequestLayer, SignedHeaders, SigningTarget};
///
/// let target = SigningTarget::new("execute-api", "eu-west-1")?;
/// let layer = SignRequestLayer::new(target).with_signed_headers(SignedHeaders::All);
/// # Ok::<(), countersign::sign::InvalidTarget>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignedHeaders {
    /// `host`, `content-type` when present, and every `x-amz-…`: all that AWS asks for. What proxies on the way do
    /// to other headers does no harm.
    #[default]
    Minimal,
    /// Every header but those that anybody on the way may change: `user-agent`, `expect`, `via`, `x-amzn-trace-id` and
    /// what belongs to one connection.
    All,
}

/// What becomes of one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Signed,
    Passes,
    StaysBehind,
}

/// The headers of a request that are signed, in the order of the request.
pub(super) struct Survey<'a> {
    signed: [Option<(&'a HeaderName, &'a HeaderValue)>; MOST],
    count: usize,
}

/// More signed headers than these are left to the reference.
pub(super) const MOST: usize = 28;

/// Why there is no [`Survey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsurveyed {
    /// Some of them must not be sent; [`cleaned`] leaves them out.
    Stale,
    /// There are too many.
    Crowded,
}

impl<'a> Survey<'a> {
    #[inline]
    pub(super) fn of(headers: &'a HeaderMap, host: &str, which: SignedHeaders) -> Result<Self, Unsurveyed> {
        let mut survey = Self { signed: [None; MOST], count: 0 };
        let mut crowded = false;
        for (name, value) in headers {
            match fate(name, value, host, which) {
                Fate::Passes => {}
                Fate::StaysBehind => return Err(Unsurveyed::Stale),
                Fate::Signed => match survey.signed.get_mut(survey.count) {
                    Some(place) => {
                        *place = Some((name, value));
                        survey.count += 1;
                    }
                    None => crowded = true,
                },
            }
        }
        if crowded { Err(Unsurveyed::Crowded) } else { Ok(survey) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> + '_ {
        self.signed.iter().take(self.count).flatten().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// Every signed header, however many: for the reference.
pub(super) fn signed<'a>(
    headers: &'a HeaderMap,
    host: &'a str,
    which: SignedHeaders,
) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
    headers.iter().filter(move |(name, value)| fate(name, value, host, which) == Fate::Signed)
}

/// The headers without what must not be sent: what a signature sets itself, a foreign host, and what belongs to one
/// connection, headers named by `Connection` among it.
pub(super) fn cleaned(headers: &HeaderMap, host: &str) -> HeaderMap {
    let of_connection: HashSet<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        if fate(name, value, host, SignedHeaders::Minimal) != Fate::StaysBehind
            && !of_connection.contains(name)
        {
            kept.append(name, value.clone());
        }
    }
    kept
}

#[inline]
fn fate(name: &HeaderName, value: &HeaderValue, host: &str, which: SignedHeaders) -> Fate {
    let name = name.as_str();
    // Most headers are none of those below, and their first letter says so already.
    let special = match name.as_bytes().first() {
        Some(b'x') => of_aws(name),
        Some(b'c') => match name {
            "content-type" => Some(Fate::Signed),
            "connection" => Some(Fate::StaysBehind),
            _ => None,
        },
        Some(b'h') if name == "host" => match value.as_bytes() == host.as_bytes() {
            // It is signed as part of the address.
            true => Some(Fate::Passes),
            false => Some(Fate::StaysBehind),
        },
        Some(b'a' | b'e' | b'k' | b'p' | b't' | b'u' | b'v') => of_connection(name),
        _ => None,
    };
    special.unwrap_or(match which {
        SignedHeaders::Minimal => Fate::Passes,
        SignedHeaders::All => Fate::Signed,
    })
}

#[inline]
fn of_aws(name: &str) -> Option<Fate> {
    match name.strip_prefix("x-amz") {
        Some("-content-sha256" | "-date" | "-region-set" | "-security-token") => Some(Fate::StaysBehind),
        Some(rest) if rest.starts_with('-') => Some(Fate::Signed),
        Some("n-trace-id") => Some(Fate::Passes),
        // On whose behalf: nobody on the way should be able to say.
        Some("n-bedrock-agentcore-runtime-user-id") => Some(Fate::Signed),
        Some(_) | None => None,
    }
}

/// What belongs to one connection or to one hop's credentials, and what anybody on the way may change.
fn of_connection(name: &str) -> Option<Fate> {
    match name {
        "authorization"
        | "keep-alive"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade" => Some(Fate::StaysBehind),
        "expect" | "user-agent" | "via" => Some(Fate::Passes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(survey: &Survey<'_>) -> Vec<String> {
        survey.iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn the_least_is_what_aws_asks_for() {
        let headers = headers(&[
            ("host", "h"),
            ("content-type", "text/plain"),
            ("accept", "*/*"),
            ("user-agent", "me"),
            ("x-amz-target", "T"),
            ("x-amzn-trace-id", "Root=1"),
            ("mcp-session-id", "s"),
        ]);
        let minimal = Survey::of(&headers, "h", SignedHeaders::Minimal).ok().unwrap();
        assert_eq!(names(&minimal), ["content-type", "x-amz-target"]);
        let all = Survey::of(&headers, "h", SignedHeaders::All).ok().unwrap();
        assert_eq!(names(&all), ["content-type", "accept", "x-amz-target", "mcp-session-id"]);
    }

    #[test]
    fn what_is_stale_stays_behind() {
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("x-amz-date", "20200101T000000Z"),
            ("x-amz-security-token", "t"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("connection", "close, x-amz-meta-hop"),
            ("te", "trailers"),
            ("host", "elsewhere.example"),
        ] {
            let headers = headers(&[("x-amz-meta-hop", "1"), ("accept", "*/*"), (name, value)]);
            assert_eq!(
                Survey::of(&headers, "h", SignedHeaders::Minimal).err(),
                Some(Unsurveyed::Stale),
                "{name}"
            );
            let kept = cleaned(&headers, "h");
            assert!(kept.contains_key("accept") && !kept.contains_key(name), "{name}");
            assert_eq!(kept.contains_key("x-amz-meta-hop"), name != "connection");
        }
    }

    #[test]
    fn there_may_be_too_many() {
        let many: HeaderMap = (0..=MOST)
            .map(|n| {
                (HeaderName::try_from(format!("x-amz-meta-{n}")).unwrap(), HeaderValue::from_static("v"))
            })
            .collect();
        assert_eq!(Survey::of(&many, "h", SignedHeaders::Minimal).err(), Some(Unsurveyed::Crowded));
        assert_eq!(signed(&many, "h", SignedHeaders::Minimal).count(), MOST + 1);
    }
}
