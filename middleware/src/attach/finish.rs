//! What is left off every request, whatever is put onto it.

use crate::outgoing::{Outgoing, Payload};
use http::{HeaderMap, HeaderName, Request, header, request::Parts};
use std::collections::HashSet;

/// The request as it is sent.
pub(super) fn finish<B>(mut parts: Parts, body: B) -> Outgoing<B> {
    leave_behind(&mut parts.headers);
    Outgoing::new(Request::from_parts(parts, Payload::stream(body)))
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
        // Whoever can write `Connection` must not decide that a backend gets no token.
        .filter(|name| *name != header::AUTHORIZATION)
        .collect();
    for name in named.iter().chain(&OF_CONNECTION) {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}
