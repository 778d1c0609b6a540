//! A service that calls backends in its callers' names.

use crate::{
    service::{Service, oauth},
    world::World,
};
use axum::{Router, body::Body, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use bytes::Bytes;
use countersign::{
    BoxError, Error, ServiceBuilderExt,
    outgoing::Payload,
    proof::{Attached, Authenticated, Carry, ForwardHeaders},
    respond::{Answer, Respond},
    transmit::Transmit,
};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::sync::Arc;
use tower::{Service as TowerService, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

pub(super) type Call = Request<Carry<Attached, Full<Bytes>>>;
pub(super) type Stack = BoxCloneSyncService<Call, Response<Incoming>, BoxError>;
pub(super) type Wire = Transmit<Client<HttpConnector, Payload<Full<Bytes>>>>;

/// What stands innermost in every stack.
pub(super) fn wire() -> Wire {
    Transmit::new(Client::builder(TokioExecutor::new()).build_http())
}

pub(super) fn boxed<S>(stack: S) -> Stack
where
    S: TowerService<Call, Response = Response<Incoming>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(stack)
}

/// Where a path of the gateway leads.
#[derive(Clone)]
struct Way {
    stack: Stack,
    backend: Uri,
    forward: Arc<ForwardHeaders>,
}

/// A gateway in the making.
pub(super) struct Gateway {
    router: Router,
}

impl Gateway {
    pub(super) fn new() -> Self {
        Self { router: Router::new() }
    }

    /// `path` leads through `stack` to `backend`.
    pub(super) fn route(self, path: &str, stack: Stack, backend: &str) -> Self {
        self.route_forwarding(path, stack, backend, ForwardHeaders::default())
    }

    pub(super) fn route_forwarding(
        mut self,
        path: &str,
        stack: Stack,
        backend: &str,
        forward: ForwardHeaders,
    ) -> Self {
        let way = Way { stack, backend: backend.parse().unwrap(), forward: forward.into() };
        self.router = self.router.route(path, post(relay).with_state(way));
        self
    }

    /// Lets in whom the world's issuer vouches for.
    pub(super) async fn start(self, world: &World) -> Service {
        let verifier = world.verifier(world.issuer());
        let stack = ServiceBuilder::new().respond_with(oauth()).verify_identity_for_router(verifier);
        Service::start(self.router.layer(stack)).await
    }
}

async fn relay(
    State(way): State<Way>,
    caller: Authenticated,
    request: Request<Body>,
) -> Result<Response<Body>, Failed> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| Failed(error.into()))?.to_bytes();
    parts.uri = way.backend;
    let request = Request::from_parts(parts, Full::new(body));
    let request = caller.attach_forwarding(request, &way.forward).map_err(|error| Failed(error.into()))?;
    let response = way.stack.oneshot(request).await.map_err(Failed)?;
    Ok(response.map(Body::new))
}

/// An error of a stack, as an answer.
struct Failed(BoxError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response<Body> {
        match self.0.downcast::<Error>() {
            Ok(error) => {
                let mut response: Response<Body> = oauth().respond(&Answer::to(&*error));
                // What a gateway would make of it; over plain HTTP it is for the test to see.
                if let Some(provider) = error.provider() {
                    response.headers_mut().insert("x-provider", provider.parse().unwrap());
                }
                response
            }
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
}
