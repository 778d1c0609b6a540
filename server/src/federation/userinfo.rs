//! What a provider says of whoever has a token.

use super::error::Error;
use axum::http::{HeaderValue, Method, Request, Uri, header};
use bytes::Bytes;
use countersign::fetch::Fetcher;
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// Asks at `url` with `token`.
pub(super) async fn ask(
    fetcher: &Fetcher,
    url: &str,
    token: &SecretString,
) -> Result<Map<String, Value>, Error> {
    let odd = |what: &'static str| Error::unbelievable(what);
    let url: Uri = url.parse().map_err(|_| odd("the address of the userinfo endpoint is none"))?;
    let bearer = format!("Bearer {}", token.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| odd("the access token fits no header"))?;
    bearer.set_sensitive(true);
    let mut request = Request::new(Full::<Bytes>::default());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = url;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    // Some providers answer no one who does not say what they are.
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("countersign"));
    let answer = fetcher.send(request).await;
    let answer =
        answer.map_err(|why| Error::unavailable("the userinfo endpoint did not answer").because(why))?;
    let status = answer.status();
    if status.is_server_error() {
        return Err(Error::unavailable(format!("the userinfo endpoint answered {status}")));
    }
    if !status.is_success() {
        return Err(Error::unbelievable(format!("the userinfo endpoint answered {status}")));
    }
    serde_json::from_slice(answer.body()).map_err(|_| odd("the userinfo endpoint answered no JSON object"))
}
