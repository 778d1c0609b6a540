//! Whose sign-in was ended gets in no more, and what they listen to ends.

use crate::issuer::Revocations;
use axum::{
    body::Body,
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign::{Error, proof::Authenticated};
use futures_util::StreamExt;

/// Between the verification of a token and what its bearer asks for.
pub(super) async fn turn_away(
    State(revocations): State<Revocations>,
    caller: Authenticated,
    request: Request,
    next: Next,
) -> Response {
    let who = caller.identity();
    if revocations.has_ended(who) {
        return Error::revoked_token().into_response();
    }
    let who = who.clone();
    let response = next.run(request).await;
    let is_stream = |kind: &[u8]| kind.starts_with(b"text/event-stream");
    if !response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| is_stream(kind.as_bytes())) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let until = Box::pin(async move { revocations.end_of(who).await });
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(until)))
}
