use crate::{
    error::{BoxError, Error, Kind},
    proof::{Carry, Identity, Outbound, Proves},
};
use http::{HeaderName, HeaderValue, Request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pin_project_lite::pin_project;
use serde_json::Value;
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Tells an AgentCore runtime on whose behalf it is called, for the tokens that it keeps for people: in
/// `x-amzn-bedrock-agentcore-runtime-user-id`, which is signed.
///
/// Only what was verified of the caller gets there. A client's own header of that name never passes
/// [`attach`](crate::proof::Authenticated::attach), and would be replaced here. The role needs
/// `bedrock-agentcore:InvokeAgentRuntimeForUser`.
///
/// ```
/// use countersign::{
///     ServiceBuilderExt,
///     sign::{AgentRuntime, AgentUserLayer},
/// };
/// use tower::ServiceBuilder;
///
/// let runtime: AgentRuntime = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/warehouse-a1b2c3d4e5".parse()?;
/// let stack = ServiceBuilder::new().layer(AgentUserLayer::new()).sign_request(runtime.target().clone());
/// # Ok::<(), countersign::sign::InvalidAgentRuntime>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AgentUserLayer {
    claim: Option<Arc<str>>,
}

/// Says on whose behalf a request is made: see [`AgentUserLayer`].
#[derive(Clone, Debug)]
pub struct AgentUser<S> {
    inner: S,
    claim: Option<Arc<str>>,
}

pin_project! {
    /// The answer of [`AgentUser`].
    pub struct AgentUserFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Refused { error: Option<Error> },
        Calling { #[pin] future: F },
    }
}

const USER: HeaderName = HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-user-id");

/// As many bytes as AgentCore takes.
const LONGEST: usize = 1024;

/// What no header can hold, and the sign that stands for it.
const UNSENDABLE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

impl AgentUserLayer {
    /// Names callers by issuer and subject, `ISSUER|SUBJECT`: no two issuers' people are the same.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names callers by one claim, which has to be text. Where several issuers are trusted, somebody at one may have the
    /// claim of somebody at another.
    #[must_use]
    pub fn with_claim(mut self, claim: impl Into<Arc<str>>) -> Self {
        self.claim = Some(claim.into());
        self
    }
}

impl<S> Layer<S> for AgentUserLayer {
    type Service = AgentUser<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AgentUser { inner, claim: self.claim.clone() }
    }
}

impl<S, P, B> Service<Request<Carry<P, B>>> for AgentUser<S>
where
    P: Proves<Identity> + Outbound,
    S: Service<Request<Carry<P, B>>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AgentUserFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Carry<P, B>>) -> Self::Future {
        let state = match name(request.body().proof().fact(), self.claim.as_deref()) {
            Ok(name) => {
                request.headers_mut().insert(USER, name);
                State::Calling { future: self.inner.call(request) }
            }
            Err(error) => State::Refused { error: Some(error) },
        };
        AgentUserFuture { state }
    }
}

impl<F, R, E> Future for AgentUserFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Calling { future } => future.poll(cx).map_err(Into::into),
            StateProjection::Refused { error } => Poll::Ready(Err(error
                .take()
                .unwrap_or_else(|| unattachable("it was refused already"))
                .into())),
        }
    }
}

impl<F> fmt::Debug for AgentUserFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentUserFuture").finish_non_exhaustive()
    }
}

fn name(caller: &Identity, claim: Option<&str>) -> Result<HeaderValue, Error> {
    let name = match claim {
        None => format!("{}|{}", caller.issuer(), caller.subject()),
        Some(claim) => match caller.claim(claim) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(_) => return Err(unattachable("the claim that names callers to the runtime is no text")),
            None => return Err(unattachable("the caller has no claim that names them to the runtime")),
        },
    };
    let name = utf8_percent_encode(&name, UNSENDABLE).to_string();
    if name.len() > LONGEST {
        return Err(unattachable("the caller's name is longer than the runtime takes"));
    }
    HeaderValue::try_from(name)
        .map_err(|error| unattachable("the caller's name fits no header").with_source(error))
}

fn unattachable(what: &'static str) -> Error {
    Error::new(Kind::Unattachable, what)
}
