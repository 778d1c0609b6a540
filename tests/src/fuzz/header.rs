use super::{AUDIENCE, Caller, Frozen, ISSUER, Outcome, answer, caller, key_set, request};
use bytes::Bytes;
use countersign::{
    BoxError, Kind,
    identity::{Issuer, LocalKeys, Verifier, VerifyIdentity, VerifyIdentityForRouter, VerifyIdentityLayer},
};
use http::Request;
use http_body_util::Full;
use std::{
    future::{Ready, ready},
    sync::{Arc, LazyLock},
};
use tower::{
    Layer,
    util::{ServiceFn, service_fn},
};

type Passage = fn(Request<Full<Bytes>>) -> Ready<Result<(), BoxError>>;

struct Gates {
    strict: VerifyIdentity<ServiceFn<Caller>>,
    anonymous: VerifyIdentityForRouter<ServiceFn<Passage>>,
}

static GATES: LazyLock<Gates> = LazyLock::new(|| {
    let keys = LocalKeys::parse(&key_set()).expect("the key set is good");
    let verifier = Verifier::builder()
        .trust(Issuer::new(ISSUER, AUDIENCE).with_keys(keys))
        .with_clock(Arc::new(Frozen))
        .build()
        .expect("the verifier is complete");
    let layer = VerifyIdentityLayer::new(verifier.clone()).for_router().dangerous_allow_anonymous();
    Gates {
        strict: VerifyIdentity::new(service_fn::<Caller>(caller), verifier),
        anonymous: layer.layer(service_fn::<Passage>(|_| ready(Ok(())))),
    }
});

/// Sends `data` as the value of an `Authorization` header, or of two where a line break divides it.
///
/// Nobody but this process can sign, so nothing may be believed; and only a request without a bearer token passes
/// where anonymous callers may.
pub fn header(data: &[u8]) -> Outcome {
    let values: Vec<&[u8]> = data.splitn(2, |byte| *byte == b'\n').collect();
    let (Some(first), Some(second)) = (request(&values), request(&values)) else {
        return Outcome::Unfit;
    };
    let kind = match answer(GATES.strict.clone(), first) {
        Ok(identity) => panic!("{identity:?} was believed without a signature"),
        Err(kind) => kind,
    };
    let possible = possible(&values);
    assert!(possible.contains(&kind), "{kind:?} instead of one of {possible:?}");
    let let_in = match answer(GATES.anonymous.clone(), second) {
        Ok(()) => Kind::NoToken,
        Err(refused) => refused,
    };
    assert_eq!(let_in, kind, "where anonymous callers may pass");
    Outcome::Refused(kind)
}

/// RFC 6750, read a second time.
fn possible(values: &[&[u8]]) -> &'static [Kind] {
    let [value] = values else {
        return &[Kind::MalformedCredentials];
    };
    let mut words = value.splitn(2, |byte| *byte == b' ');
    if !words.next().unwrap_or_default().eq_ignore_ascii_case(b"bearer") {
        return &[Kind::NoToken];
    }
    let token = words.next().unwrap_or_default().trim_ascii();
    let strange = |byte: &u8| !byte.is_ascii_graphic() || b"\"(),:;<>@[\\]{}".contains(byte);
    if token.is_empty() || token.iter().any(strange) {
        return &[Kind::MalformedCredentials];
    }
    &[Kind::MalformedCredentials, Kind::UnacceptableToken]
}
