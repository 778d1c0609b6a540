//! A reverse proxy that lets in whom an identity provider vouches for, and calls a backend with a token that the
//! provider made for it.
//!
//! ```sh
//! cargo run --example reverse_proxy -- ISSUER AUDIENCE TOKEN_ENDPOINT CLIENT_ID BACKEND
//! curl -i http://127.0.0.1:3000/anything -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! The client's secret is read from `CLIENT_SECRET`; without it the client is a public one. BACKEND is an address on this
//! machine such as `http://127.0.0.1:8080`, and the `resource` that tokens are asked for; a backend elsewhere is called
//! over https, with a connector of hyper-rustls.
//!
//! To try it: `cargo run -p countersign-fixtures -- idp` prints an issuer, how to get a token, and how to register a
//! client at `/register`.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use countersign::{
    BoxError, Error, ServiceBuilderExt,
    exchange::{CallersToken, Exchange, RetryUnauthorizedLayer},
    identity::{Issuer, Verifier},
    proof::{Attached, Authenticated, Carry},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
    transmit::Transmit,
};
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::env;
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

const LARGEST_BODY: usize = 1024 * 1024;

/// A typed stack, boxed once.
type Stack = BoxCloneSyncService<http::Request<Carry<Attached, Full<Bytes>>>, Response, BoxError>;

#[derive(Clone)]
struct Proxy {
    backend: Uri,
    stack: Stack,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [issuer, audience, endpoint, client_id, backend] = arguments.as_slice() else {
        return Err("usage: reverse_proxy ISSUER AUDIENCE TOKEN_ENDPOINT CLIENT_ID BACKEND".into());
    };
    let client = match env::var("CLIENT_SECRET") {
        Ok(secret) => ClientAuthentication::basic(client_id, secret.into()),
        Err(_) => ClientAuthentication::public(client_id),
    };

    let exchange = Exchange::builder(TokenEndpoint::new(endpoint, client), CallersToken::new())
        .with_resource(backend)
        .build()?;
    let stack = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| response.map(Body::new))
        .layer(RetryUnauthorizedLayer::new())
        .exchange_token(exchange)
        .attach_exchanged_token()
        .service(Transmit::new(Client::builder(TokioExecutor::new()).build_http()));
    let proxy = Proxy { backend: backend.parse()?, stack: Stack::new(stack) };

    let verifier = Verifier::builder().trust(Issuer::new(issuer, audience)).build()?;
    let app = Router::new()
        .fallback(relay)
        .with_state(proxy)
        .layer(ServiceBuilder::new().respond().verify_identity_for_router(verifier));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn relay(State(proxy): State<Proxy>, caller: Authenticated, request: Request) -> Response {
    proxy.send(caller, request).await.unwrap_or_else(failed)
}

impl Proxy {
    async fn send(self, caller: Authenticated, request: Request) -> Result<Response, BoxError> {
        let (mut parts, body) = request.into_parts();
        // A whole body can be sent twice, where the backend wants another token.
        let body = Limited::new(body, LARGEST_BODY).collect().await?.to_bytes();
        let mut uri = parts.uri.into_parts();
        uri.scheme = self.backend.scheme().cloned();
        uri.authority = self.backend.authority().cloned();
        parts.uri = Uri::from_parts(uri)?;
        let request = caller.attach(http::Request::from_parts(parts, Full::new(body)))?;
        self.stack.oneshot(request).await
    }
}

/// An error of the stack is an answer of its own; anything else is the way to the backend.
fn failed(error: BoxError) -> Response {
    match error.downcast::<Error>() {
        Ok(error) => error.into_response(),
        Err(error) => {
            tracing::error!(error, "the backend did not answer");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}
