//! The engine for everything else: aws-sigv4.

use super::{
    SignedHeaders, SigningTarget, address, canonical, headers::signed, payload::PayloadText,
    prepared::Signature, target::Algorithm,
};
use crate::{
    error::{BoxError, Error, Kind},
    proof::AwsCredentials,
};
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningParams, SigningSettings, UriPathNormalizationMode, sign as sign_request,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use secrecy::ExposeSecret;
use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

/// What is signed, with the headers that are to be sent.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) host: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) which: SignedHeaders,
    pub(super) payload: &'a PayloadText,
    /// Whether the payload's hash goes into a header as well.
    pub(super) content_hash: bool,
}

/// What is signed, as a service would write it down.
pub(super) struct Readable {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Signs in headers.
///
/// # Errors
///
/// When a header that has to be signed is no plain text, or the credentials are none.
pub(super) fn sign(
    request: &Request<'_>,
    credentials: &AwsCredentials,
    target: &SigningTarget,
    now: SystemTime,
) -> Result<Signature, Error> {
    let identity: Identity = identity(credentials).into();
    let mut settings = settings(target);
    if request.content_hash {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = parameters(&identity, target, now, settings)?;
    let (instructions, _) =
        sign_request(request.signable(target)?, &parameters).map_err(failed)?.into_parts();
    let mut headers = HeaderMap::new();
    for header in instructions.into_parts().0 {
        let mut value = HeaderValue::try_from(header.value()).map_err(failed)?;
        value.set_sensitive(header.sensitive());
        headers.insert(header.name(), value);
    }
    Ok(Signature {
        authorization: headers.remove(header::AUTHORIZATION).ok_or_else(incomplete)?,
        date: headers.remove("x-amz-date").ok_or_else(incomplete)?,
        token: headers.remove("x-amz-security-token"),
        content_hash: headers.remove("x-amz-content-sha256"),
        region_set: headers.remove("x-amz-region-set"),
    })
}

/// Signs in the query, and returns the query that says so.
///
/// # Errors
///
/// As for [`sign`].
pub(super) fn presign(
    request: &Request<'_>,
    credentials: &AwsCredentials,
    target: &SigningTarget,
    now: SystemTime,
    valid_for: Duration,
) -> Result<String, Error> {
    let identity: Identity = identity(credentials).into();
    let mut settings = settings(target);
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(valid_for);
    let parameters = parameters(&identity, target, now, settings)?;
    let (instructions, _) =
        sign_request(request.signable(target)?, &parameters).map_err(failed)?.into_parts();
    let mut query = request.uri.query().unwrap_or_default().as_bytes().to_vec();
    for (name, value) in instructions.params() {
        if !query.is_empty() {
            query.push(b'&');
        }
        query.extend_from_slice(name.as_bytes());
        query.push(b'=');
        canonical::value(value, &mut query);
    }
    String::from_utf8(query).map_err(failed)
}

/// What of a request is signed, as a service would write it down. `None` where it holds what cannot be signed.
pub(super) fn readable(request: &Request<'_>, target: &SigningTarget) -> Option<Readable> {
    let (mut path, mut query) = (Vec::new(), Vec::new());
    if target.has_s3_rules() {
        path.extend_from_slice(canonical::path_once(request.uri.path()).as_bytes());
    } else {
        canonical::path_again(request.uri.path(), &mut path);
    }
    if !canonical::query(request.uri.query().unwrap_or_default(), &mut query) {
        return None;
    }
    let mut headers = vec![("host".to_owned(), request.host.to_owned())];
    for (name, value) in signed(request.headers, request.host, request.which) {
        let value = value.to_str().ok()?.split_whitespace().collect::<Vec<_>>().join(" ");
        match headers.iter_mut().find(|(other, _)| other == name.as_str()) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => headers.push((name.as_str().to_owned(), value)),
        }
    }
    let text = |bytes| String::from_utf8(bytes).ok();
    Some(Readable { method: request.method.to_string(), path: text(path)?, query: text(query)?, headers })
}

fn parameters<'a>(
    identity: &'a Identity,
    target: &'a SigningTarget,
    now: SystemTime,
    settings: SigningSettings,
) -> Result<SigningParams<'a>, Error> {
    match target.algorithm() {
        Algorithm::V4 => Ok(v4::SigningParams::builder()
            .identity(identity)
            .region(target.region())
            .name(target.service())
            .time(now)
            .settings(settings)
            .build()
            .map_err(failed)?
            .into()),
        #[cfg(feature = "sign-v4a")]
        Algorithm::V4a => Ok(aws_sigv4::sign::v4a::SigningParams::builder()
            .identity(identity)
            .region_set(target.region())
            .name(target.service())
            .time(now)
            .settings(settings)
            .build()
            .map_err(failed)?
            .into()),
    }
}

impl<'a> Request<'a> {
    fn signable(&self, target: &SigningTarget) -> Result<SignableRequest<'a>, Error> {
        let mut headers = vec![("host", self.host)];
        for (name, value) in signed(self.headers, self.host, self.which) {
            let value =
                value.to_str().map_err(|_| unsignable("a header that has to be signed is not plain text"))?;
            headers.push((name.as_str(), value));
        }
        let body = match self.payload {
            PayloadText::Unsigned => SignableBody::UnsignedPayload,
            #[cfg(feature = "sign-events")]
            PayloadText::Events => SignableBody::Precomputed(super::events::PAYLOAD.to_owned()),
            PayloadText::Hash(hash) => SignableBody::Precomputed(String::from_utf8_lossy(hash).into_owned()),
        };
        SignableRequest::new(self.method.as_str(), self.address(target), headers.into_iter(), body)
            .map_err(failed)
    }

    /// For S3 with the path as S3 reads it: aws-sigv4 takes a path that is encoded once for one that is encoded well.
    fn address(&self, target: &SigningTarget) -> String {
        let path = if target.has_s3_rules() {
            canonical::path_once(self.uri.path())
        } else {
            Cow::Borrowed(self.uri.path())
        };
        let query = self.uri.query().map_or(String::new(), |query| format!("?{query}"));
        format!("https://{}{path}{query}", address::host(self.uri))
    }
}

pub(super) fn identity(credentials: &AwsCredentials) -> aws_credential_types::Credentials {
    aws_credential_types::Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key().expose_secret(),
        credentials.session_token().map(|token| token.expose_secret().to_owned()),
        None,
        "countersign",
    )
}

/// S3 signs paths that are encoded once, and as they are.
fn settings(target: &SigningTarget) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if target.has_s3_rules() {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

pub(super) fn unsignable(what: &'static str) -> Error {
    Error::new(Kind::Unsignable, what)
}

pub(super) fn failed(error: impl Into<BoxError>) -> Error {
    unsignable("the request cannot be signed").with_source(error)
}

fn incomplete() -> Error {
    unsignable("the signature came without its headers")
}
