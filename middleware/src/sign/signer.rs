//! aws-sigv4 as this layer uses it.

use super::SigningTarget;
use crate::{
    error::{BoxError, Error, Kind},
    proof::AwsCredentials,
};
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4::SigningParams,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts};
use secrecy::ExposeSecret;
use std::{net::IpAddr, time::SystemTime};

/// What a signature sets itself; whatever of it a request brings along is somebody else's.
const OURS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

/// What belongs to one connection, and the host, which is the URI's.
const NOT_TO_SEND: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Signs a request whose payload is `body`, or whose payload stays unsigned. `parts` changes only on success.
pub(super) fn sign_parts(
    parts: &mut Parts,
    body: Option<&[u8]>,
    credentials: &AwsCredentials,
    target: &SigningTarget,
    now: SystemTime,
) -> Result<(), Error> {
    let host = host(&parts.uri)?;
    let mut headers = parts.headers.clone();
    for name in OURS.iter().chain(&NOT_TO_SEND) {
        headers.remove(name);
    }
    let text = parts.uri.to_string();
    let signed = signed_headers(&headers, host)?;
    let body = body.map_or(SignableBody::UnsignedPayload, SignableBody::Bytes);
    let request =
        SignableRequest::new(parts.method.as_str(), text, signed.into_iter(), body).map_err(failed)?;
    let identity = aws_credential_types::Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key().expose_secret(),
        credentials.session_token().map(|token| token.expose_secret().to_owned()),
        None,
        "countersign",
    )
    .into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(target.region())
        .name(target.service())
        .time(now)
        .settings(settings(target))
        .build()
        .map_err(failed)?
        .into();
    let (instructions, _) = sign(request, &parameters).map_err(failed)?.into_parts();
    let (new, _) = instructions.into_parts();
    for header in new {
        let mut value = HeaderValue::try_from(header.value()).map_err(failed)?;
        value.set_sensitive(header.sensitive());
        headers.insert(header.name(), value);
    }
    parts.headers = headers;
    Ok(())
}

/// S3 signs paths as they are, and wants to be told the payload's hash.
fn settings(target: &SigningTarget) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if target.service() == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

fn signed_headers<'a>(headers: &'a HeaderMap, host: &'a str) -> Result<Vec<(&'a str, &'a str)>, Error> {
    let mut signed = vec![("host", host)];
    for (name, value) in headers {
        if *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-") {
            let value =
                value.to_str().map_err(|_| unsignable("a header that has to be signed is not plain text"))?;
            signed.push((name.as_str(), value));
        }
    }
    Ok(signed)
}

/// The host to sign for, where a signature may be sent at all.
fn host(uri: &Uri) -> Result<&str, Error> {
    let authority = uri.authority().ok_or_else(|| unsignable("the request's address names no host"))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        _ => return Err(unsignable("a signature is sent over https only, or to this machine")),
    }
    Ok(authority.as_str())
}

fn unsignable(what: &'static str) -> Error {
    Error::new(Kind::Unsignable, what)
}

fn failed(error: impl Into<BoxError>) -> Error {
    unsignable("the request cannot be signed").with_source(error)
}
