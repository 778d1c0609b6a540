//! rmcp's client, with an HTTP connection that a test can reach into: to sign, to add a token, to count.

use ::rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt,
    model::{ClientJsonRpcMessage, ProtocolVersion},
    service::{ClientInitializeError, RoleClient, RunningService},
    transport::streamable_http_client::{
        StreamableHttpClient, StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
        StreamableHttpError, StreamableHttpPostResponse,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use sse_stream::{Sse, SseStream};
use std::{collections::HashMap, fmt, sync::Arc};

type Failure = StreamableHttpError<Error>;
type Headers = HashMap<HeaderName, HeaderValue>;
type Prepare = dyn Fn(&mut Request<Bytes>) + Send + Sync;
type Events = BoxStream<'static, Result<Sse, sse_stream::Error>>;

const BOTH: &str = "application/json, text/event-stream";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The protocol's two ways of beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, and a session: 2025-11-25.
    Legacy,
    /// `server/discover`, and no state: 2026-07-28.
    Modern,
}

/// How rmcp's client reaches a server. Clones share its connections.
#[derive(Clone)]
pub struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
    prepare: Arc<Prepare>,
}

impl Wire {
    /// Every request goes through `prepare` just before it is sent.
    pub fn new(prepare: impl Fn(&mut Request<Bytes>) + Send + Sync + 'static) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), prepare: Arc::new(prepare) }
    }

    /// Begins to talk to the server at `url`; `handler` answers what the server asks, `()` refuses.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses.
    pub async fn connect<H: ClientHandler>(
        self,
        url: &str,
        era: Era,
        handler: H,
    ) -> Result<RunningService<RoleClient, H>, ClientInitializeError> {
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(self, config);
        Box::pin(handler.serve_with_lifecycle(transport, era.lifecycle())).await
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(uri).body(body).map_err(unexpected)?;
        *request.headers_mut() = headers;
        (self.prepare)(&mut request);
        self.client.request(request.map(Full::new)).await.map_err(Failure::Client)
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Era {
    /// What rmcp's client calls it.
    pub fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Legacy => ClientLifecycleMode::Initialize,
            Self::Modern => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        }
    }
}

impl StreamableHttpClient for Wire {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        custom: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = serde_json::to_vec(&message)?.into();
        let mut headers = headers(session.as_deref(), token.as_deref(), custom)?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.send(Method::POST, &uri, body, headers).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.is_some() {
            return Err(Failure::SessionExpired);
        }
        if status == StatusCode::ACCEPTED {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = text(response.headers(), &SESSION);
        let content = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if content.starts_with("text/event-stream") {
            return Ok(StreamableHttpPostResponse::Sse(events(response), session));
        }
        let body = response.into_body().collect().await.map_err(unexpected)?.to_bytes();
        // A refusal may be a JSON-RPC error too: then the caller is to see that.
        let answer = serde_json::from_slice(&body)
            .map_err(|_| unexpected(format!("{status}: {}", String::from_utf8_lossy(&body))))?;
        Ok(StreamableHttpPostResponse::Json(answer, session))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        custom: Headers,
    ) -> Result<(), Failure> {
        let headers = headers(Some(&session), token.as_deref(), custom)?;
        let response = self.send(Method::DELETE, &uri, Bytes::new(), headers).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::METHOD_NOT_ALLOWED => Err(Failure::ServerDoesNotSupportDeleteSession),
            status => Err(unexpected(status)),
        }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        custom: Headers,
    ) -> Result<Events, Failure> {
        let mut headers = headers(session.as_deref(), token.as_deref(), custom)?;
        if let Some(last_event) = last_event {
            headers.insert(LAST_EVENT, HeaderValue::try_from(last_event).map_err(unexpected)?);
        }
        let response = self.send(Method::GET, &uri, Bytes::new(), headers).await?;
        match response.status() {
            StatusCode::OK => Ok(events(response)),
            StatusCode::METHOD_NOT_ALLOWED => Err(Failure::ServerDoesNotSupportSse),
            status => Err(unexpected(status)),
        }
    }
}

fn headers(session: Option<&str>, token: Option<&str>, custom: Headers) -> Result<HeaderMap, Failure> {
    let mut headers: HeaderMap = custom.into_iter().collect();
    headers.insert(header::ACCEPT, HeaderValue::from_static(BOTH));
    if let Some(session) = session {
        headers.insert(SESSION, HeaderValue::try_from(session).map_err(unexpected)?);
    }
    if let Some(token) = token {
        let token = HeaderValue::try_from(format!("Bearer {token}")).map_err(unexpected)?;
        headers.insert(header::AUTHORIZATION, token);
    }
    Ok(headers)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn events(response: Response<Incoming>) -> Events {
    SseStream::new(response.into_body()).boxed()
}

fn unexpected(what: impl fmt::Display) -> Failure {
    Failure::UnexpectedServerResponse(what.to_string().into())
}
