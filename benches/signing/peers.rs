//! What others do, and what nobody gets around.

use crate::{ACCESS_KEY_ID, Headers, REGION, SECRET, SERVICE, token};
use aws_credential_types::Credentials;
use aws_lc_rs::digest;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use countersign::{
    clock::{Clock, SystemClock},
    sign::PayloadHash,
};
use futures_util::FutureExt;
use http::{HeaderValue, Request};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest};
use sha2::block_api::compress256;
use std::{mem, time::SystemTime};

pub(crate) struct AwsSigV4 {
    credentials: Credentials,
    now: SystemTime,
}

impl AwsSigV4 {
    pub(crate) fn new() -> Self {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET, Some(token()), None, "bench");
        Self { credentials, now: SystemClock.now() }
    }

    /// As the SDK does it: every header is offered, and a few are excluded by default.
    pub(crate) fn sign(&self, request: &mut Request<()>, body: &[u8], which: Headers) {
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(SERVICE)
            .time(self.now)
            .settings(SigningSettings::default())
            .build()
            .expect("it is complete")
            .into();
        let headers = request
            .headers()
            .iter()
            .filter(|(name, _)| matches!(which, Headers::All) || *name == "content-type")
            .map(|(name, value)| (name.as_str(), value.to_str().expect("it is text")));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(body),
        )
        .expect("it can be signed");
        let (instructions, _) = sign(signable, &parameters).expect("it can be signed").into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

pub(crate) struct Reqsign {
    signer: RequestSigner,
    credential: Credential,
    context: Context,
}

impl Reqsign {
    pub(crate) fn new() -> Self {
        Self {
            signer: RequestSigner::new(SERVICE, REGION),
            credential: Credential {
                access_key_id: ACCESS_KEY_ID.to_owned(),
                secret_access_key: SECRET.to_owned(),
                session_token: Some(token()),
                expires_in: None,
            },
            context: Context::new(),
        }
    }

    /// It signs the payload's hash when that stands in a header, and leaves the payload out otherwise.
    pub(crate) fn sign(&self, request: &mut Request<()>, body: &[u8]) {
        let (mut parts, ()) = mem::take(request).into_parts();
        let hash = HeaderValue::try_from(PayloadHash::of(body).to_string()).expect("it is hexadecimal");
        parts.headers.insert("x-amz-content-sha256", hash);
        self.signer
            .sign_request(&self.context, &mut parts, Some(&self.credential), None)
            .now_or_never()
            .expect("nothing waits")
            .expect("it can be signed");
        *request = Request::from_parts(parts, ());
    }
}

/// The blocks of a payload, two of the canonical request, two of the string to sign, and one to seal it.
pub(crate) fn bare(body: &[u8]) -> [u32; 8] {
    let mut state = [0; 8];
    let (blocks, rest) = body.as_chunks::<64>();
    compress256(&mut state, blocks);
    let padding = if rest.len() < 56 { 1 } else { 2 };
    for _ in 0..padding {
        compress256(&mut state, &[[0; 64]]);
    }
    compress256(&mut state, &[[1; 64]; 2]);
    compress256(&mut state, &[[2; 64]; 2]);
    compress256(&mut state, &[[3; 64]]);
    state
}

pub(crate) fn hashed_by_aws_lc(body: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, body)
}
