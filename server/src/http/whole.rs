//! Requests that are judged when they are there as a whole.
//!
//! Whoever has no token is refused by the headers alone. Where the answer overtakes the body, hyper ends the connection
//! behind it, and a client that sends its next request there hears nothing: clients that send headers and body apart
//! did so now and then, in the middle of discovery.

use axum::{
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// What a stranger may make this server hold. Few messages are longer, and those have to risk it.
const SHORT: u64 = 64 * 1024;

/// Reads a short body before anything else happens.
pub(super) async fn read_short(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_short = body.size_hint().upper().is_some_and(|bytes| bytes <= SHORT);
    let body = match is_short && !body.is_end_stream() {
        false => body,
        true => match body.collect().await {
            Ok(whole) => Body::from(whole.to_bytes()),
            Err(_) => return (StatusCode::BAD_REQUEST, "the request ended too early\n").into_response(),
        },
    };
    next.run(Request::from_parts(parts, body)).await
}
