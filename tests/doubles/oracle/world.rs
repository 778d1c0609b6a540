//! An oracle on a port, a client, and a signer that nobody here wrote.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use aws_credential_types::Credentials as Keys;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    credentials::{Book, Credentials},
    oracle::{Oracle, OracleServer, Protocol, who_signed},
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

pub(super) const REGION: &str = "eu-west-1";
pub(super) const ADMIN: &str = "arn:aws:iam::123456789012:role/McpAdmin";
pub(super) const READER: &str = "arn:aws:iam::123456789012:role/McpReader";

/// An oracle on a port, and a client that sends exactly what it is given.
pub(super) struct World {
    pub(super) server: OracleServer,
    pub(super) client: Client<HttpConnector, Full<Bytes>>,
}

impl World {
    pub(super) async fn of(service: &str) -> Self {
        let book = Book::new(Clock::default());
        Self::behind(Oracle::new(book, service, REGION)).await
    }

    pub(super) async fn behind(oracle: Oracle) -> Self {
        Self {
            server: OracleServer::start(oracle, who_signed()).await,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(super) fn service(&self) -> &str {
        self.server.oracle().service()
    }

    pub(super) fn book(&self) -> &Book {
        self.server.oracle().book()
    }

    /// An hour as `role`.
    pub(super) fn session(&self, role: &str, name: &str) -> Credentials {
        self.book().issue_hour_in(role, name)
    }

    pub(super) fn signed(&self, credentials: &Credentials, target: &str, body: &str) -> Request<Bytes> {
        Signer::new(self, self.service()).sign(credentials, target, body)
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Answer {
        self.try_send(request).await.expect("the oracle answers")
    }

    pub(super) async fn try_send(&self, request: Request<Bytes>) -> Result<Answer, Error> {
        let (parts, body) = self.client.request(request.map(Full::new)).await?.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.expect("the body is whole").to_bytes(),
        })
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(super) fn error_type(&self) -> &str {
        self.headers["x-amzn-errortype"].to_str().unwrap()
    }

    pub(super) fn code(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Json | Protocol::AwsJson => self.json()["__type"].as_str().unwrap().to_owned(),
            Protocol::Query | Protocol::S3 => {
                let (_, rest) = self.text().split_once("<Code>").unwrap();
                rest.split_once("</Code>").unwrap().0.to_owned()
            }
        }
    }
}

/// `aws-sigv4`, set up for one service as an AWS SDK would.
pub(super) struct Signer<'a> {
    world: &'a World,
    service: &'a str,
    region: &'a str,
    settings: SigningSettings,
}

impl<'a> Signer<'a> {
    pub(super) fn new(world: &'a World, service: &'a str) -> Self {
        Self {
            world,
            service,
            region: REGION,
            settings: if service == "s3" { s3() } else { SigningSettings::default() },
        }
    }

    pub(super) fn region(mut self, region: &'a str) -> Self {
        self.region = region;
        self
    }

    pub(super) fn settings(mut self, settings: SigningSettings) -> Self {
        self.settings = settings;
        self
    }

    pub(super) fn sign(self, credentials: &Credentials, target: &str, body: &str) -> Request<Bytes> {
        self.sign_with(credentials, target, body, |_| {})
    }

    pub(super) fn sign_with(
        self,
        credentials: &Credentials,
        target: &str,
        body: &str,
        prepare: impl FnOnce(&mut HeaderMap),
    ) -> Request<Bytes> {
        let mut request = Request::post(format!("{}{target}", self.world.server.url()))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        prepare(request.headers_mut());
        let identity = Keys::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "test",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.world.book().clock().now())
            .settings(self.settings)
            .build()
            .unwrap()
            .into();
        let uri = request.uri().to_string();
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new("POST", uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }
}

pub(super) fn s3() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}
