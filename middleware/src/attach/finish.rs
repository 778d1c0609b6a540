//! What is left off every request, whatever is put onto it.

use crate::{
    error::Error,
    outgoing::{Outgoing, Payload},
};
use http::{HeaderMap, HeaderName, Request, header, request::Parts};
use std::collections::HashSet;

/// The request as it is sent, with what `attach` puts onto it. What is left off goes first, so that nothing which is
/// attached can be named away by a `Connection` header.
pub(super) fn finish<B>(
    mut parts: Parts,
    body: B,
    attach: impl FnOnce(&mut HeaderMap) -> Result<(), Error>,
) -> Result<Outgoing<B>, Error> {
    leave_behind(&mut parts.headers);
    attach(&mut parts.headers)?;
    Ok(Outgoing::new(Request::from_parts(parts, Payload::stream(body))))
}

/// What belongs to one connection, and what the transport knows better: the host from the address, and the length from
/// the body.
fn leave_behind(headers: &mut HeaderMap) {
    const OF_CONNECTION: [HeaderName; 9] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let named: HashSet<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_attached_cannot_be_named_away() {
        let (mut parts, ()) = Request::new(()).into_parts();
        for (name, value) in [
            ("connection", "close, x-hop, authorization"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("x-kept", "1"),
        ] {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        let token = HeaderValue::from_static("Bearer t");
        let outgoing = finish(parts, (), |headers| {
            headers.insert(header::AUTHORIZATION, token);
            Ok(())
        });
        let names: Vec<_> = outgoing.unwrap().headers().keys().map(ToString::to_string).collect();
        assert_eq!(names, ["x-kept", "authorization"]);
    }
}
