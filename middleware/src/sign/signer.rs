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
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts, uri::Authority};
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
    let uri = sent_uri(&parts.uri)?;
    let host = uri.authority().map_or("", Authority::as_str);
    let mut headers = parts.headers.clone();
    for name in OURS.iter().chain(&NOT_TO_SEND) {
        headers.remove(name);
    }
    let text = uri.to_string();
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
    parts.uri = uri;
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

/// The address, where a signature may be sent to it at all. Clients leave a scheme's own port and a user's name out of
/// the host that they send, so they are not part of what is signed either.
fn sent_uri(uri: &Uri) -> Result<Uri, Error> {
    let authority = uri.authority().ok_or_else(|| unsignable("the request's address names no host"))?;
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let own_port = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") if loopback => 80,
        _ => return Err(unsignable("a signature is sent over https only, or to this machine")),
    };
    let sent = match authority.port_u16() {
        Some(port) if port != own_port => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(sent.parse().map_err(failed)?);
    Uri::from_parts(parts).map_err(failed)
}

fn unsignable(what: &'static str) -> Error {
    Error::new(Kind::Unsignable, what)
}

fn failed(error: impl Into<BoxError>) -> Error {
    unsignable("the request cannot be signed").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        for (address, sent) in [
            ("https://example.com/a?b=c", "https://example.com/a?b=c"),
            ("https://example.com:443/", "https://example.com/"),
            ("https://user:word@example.com:8443/", "https://example.com:8443/"),
            ("http://localhost:80/", "http://localhost/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
        ] {
            assert_eq!(sent_uri(&address.parse().unwrap()).unwrap().to_string(), sent);
        }
        for address in
            ["http://example.com/", "ftp://localhost/", "/relative", "http://127.0.0.1.example.com/"]
        {
            assert_eq!(
                sent_uri(&address.parse().unwrap()).unwrap_err().kind(),
                Kind::Unsignable,
                "{address}"
            );
        }
    }
}
