//! A plain HTTP client: no redirects, no retries, no cookies, whole bodies.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use std::error::Error;
use url::form_urlencoded;

/// The client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Plain(Client<HttpConnector, Full<Bytes>>);

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Plain {
    /// Takes a connection of its own for each request, so that none is sent on one whose server is gone.
    pub fn afresh() -> Self {
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http())
    }

    /// Fetches `url`.
    pub async fn fetch(&self, url: &str) -> Answer {
        self.expect(Self::request(Method::GET, url), Bytes::new()).await
    }

    /// Fetches `url` with a bearer token.
    pub async fn fetch_as(&self, url: &str, token: &str) -> Answer {
        let request =
            Self::request(Method::GET, url).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.expect(request, Bytes::new()).await
    }

    /// Posts a form.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Self::request(Method::POST, url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.expect(request, encode(fields).into()).await
    }

    /// Posts JSON.
    pub async fn post_json(&self, url: &str, body: &Value) -> Answer {
        let request = Self::request(Method::POST, url).header(header::CONTENT_TYPE, "application/json");
        self.expect(request, body.to_string().into()).await
    }

    /// Sends any request; the connection may fail.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let (parts, body) = self.0.request(request).await?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.collect().await?.to_bytes() })
    }

    fn request(method: Method, url: &str) -> http::request::Builder {
        Request::builder().method(method).uri(url)
    }

    async fn expect(&self, request: http::request::Builder, body: Bytes) -> Answer {
        let request = request.body(Full::new(body)).expect("the request is well-formed");
        self.send(request).await.expect("the server answers")
    }
}

impl Default for Plain {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// Names and values as a query or a form.
pub fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
