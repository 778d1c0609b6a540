//! The engine for the common case: what two signatures have in common is computed once.
//!
//! Towards one backend and within one second, the canonical requests of two calls mostly differ in nothing but the
//! payload's hash at the end. So the state of the hash just before it is kept, as is that of the string to sign, and
//! the two states that the day's key makes HMAC begin with. What remains of a signature is the payload's hash, two
//! blocks or three of what stands behind it, as many of the string to sign, and one to seal it.

mod form;
mod key;
mod state;

use self::{
    form::{Draft, Form},
    state::{Second, Sendable, Slot},
};
use super::{
    SigningTarget,
    headers::Survey,
    payload::PayloadText,
    sha::{bytes, hex},
    time::Moment,
};
use crate::proof::AwsCredentials;
use bytes::Bytes;
use http::{HeaderValue, Method, Uri};

/// The headers that make a request a signed one.
pub(super) struct Signature {
    pub(super) authorization: HeaderValue,
    pub(super) date: HeaderValue,
    pub(super) token: Option<HeaderValue>,
    pub(super) content_hash: Option<HeaderValue>,
    /// Where one signature is for several regions.
    pub(super) region_set: Option<HeaderValue>,
}

/// What is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) host: &'a str,
    pub(super) headers: &'a Survey<'a>,
    pub(super) payload: &'a PayloadText,
    /// Whether the payload's hash goes into a header as well.
    pub(super) content_hash: bool,
}

/// `None` when the request is not of the common form.
#[inline]
pub(super) fn sign(
    request: &Request<'_>,
    credentials: &AwsCredentials,
    target: &SigningTarget,
    moment: Moment,
) -> Option<Signature> {
    let draft = Draft {
        method: request.method,
        target: request.uri.path_and_query(),
        host: request.host,
        headers: request.headers,
        s3: target.has_s3_rules(),
        content_hash: request.content_hash,
    };
    let slot: &Slot = credentials.slot(|| Slot::new(credentials))?;
    let sendable = slot.sendable.as_ref()?;
    let seconds = slot.seconds();
    match seconds.iter().find(|second| second.is(target, moment)) {
        Some(second) => match second.find(&draft) {
            Some(form) => {
                let hash = form.hash(request.payload);
                finish(&hash, form.authorization(), second, sendable, request)
            }
            None => first_time(&draft, slot, second, sendable, request),
        },
        None => {
            let second = slot.another(credentials, target, moment)?;
            let signature = first_time(&draft, slot, &second, sendable, request)?;
            slot.put(second);
            Some(signature)
        }
    }
}

fn first_time(
    draft: &Draft<'_>,
    slot: &Slot,
    second: &Second,
    sendable: &Sendable,
    request: &Request<'_>,
) -> Option<Signature> {
    let token = sendable.token.as_ref().map(HeaderValue::as_bytes);
    let mut form = Form::of(draft, &second.stamp, token)?;
    let hash = form.hash(request.payload);
    let authorization = if second.is_worth_keeping(&form) {
        let authorization = form.authorization();
        slot.put(second.with(form.keep(draft)).into());
        authorization
    } else {
        form.take_authorization()
    };
    finish(&hash, authorization, second, sendable, request)
}

/// Everything here that can fail does not: digits and what [`Sendable`] let pass may stand in a header.
#[inline]
fn finish(
    hash: &[u8; 64],
    mut authorization: Vec<u8>,
    second: &Second,
    sendable: &Sendable,
    request: &Request<'_>,
) -> Option<Signature> {
    authorization.extend_from_slice(&hex(&bytes(&second.stamp.sign(hash))));
    let content_hash = if request.content_hash {
        Some(HeaderValue::from_bytes(request.payload.as_bytes()).ok()?)
    } else {
        None
    };
    Some(Signature {
        authorization: HeaderValue::from_maybe_shared(Bytes::from(authorization)).ok()?,
        date: second.stamp.date.clone(),
        token: sendable.token.clone(),
        content_hash,
        region_set: None,
    })
}
