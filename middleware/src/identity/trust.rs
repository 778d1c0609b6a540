use super::{
    claims::{actors, unacceptable},
    future::ResponseFuture,
    handover::{WithoutProof, with_proof},
};
use crate::{
    clock::{Clock, SystemClock},
    error::{BoxError, Error, Kind},
    proof::{Authenticated, Carry, Identity, IdentityParts},
};
use http::{Extensions, Request};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};
use tower_layer::Layer;
use tower_service::Service;

/// Turns an identity that the user's own layer verified into a proof.
///
/// `find` looks into the request's extensions, where that layer left its result. Where it finds nothing the
/// request is refused as one without a token.
///
/// ```
/// use bytes::Bytes;
/// use countersign::{
///     identity::{TrustIdentityLayer, TrustedIdentity},
///     proof::{Authenticated, Carry},
/// };
/// use http::{Extensions, Request, Response};
/// use http_body_util::Full;
/// use tower::{service_fn, BoxError, ServiceBuilder, ServiceExt};
///
/// /// What our session middleware leaves behind.
/// #[derive(Clone)]
/// struct User(String);
///
/// fn from_session(found: &Extensions) -> Option<TrustedIdentity> {
///     let User(name) = found.get()?;
///     Some(TrustedIdentity::new("https://sessions.example.com", name))
/// }
///
/// # #[tokio::main] async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(TrustIdentityLayer::new(from_session))
///     .service(service_fn(|request: Request<Carry<Authenticated, Full<Bytes>>>| async move {
///         Ok::<_, BoxError>(Response::new(request.body().proof().identity().subject().to_owned()))
///     }));
///
/// let mut request = Request::new(Full::default());
/// request.extensions_mut().insert(User("alice".into()));
/// assert_eq!(service.oneshot(request).await?.body(), "alice");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TrustIdentityLayer<F> {
    find: F,
    clock: Arc<dyn Clock>,
}

/// [`TrustIdentityLayer`] for an axum router: the proof is in the extensions only.
#[derive(Clone, Debug)]
pub struct TrustIdentityForRouterLayer<F> {
    typed: TrustIdentityLayer<F>,
}

/// What [`TrustIdentityLayer`] applies.
#[derive(Clone, Debug)]
pub struct TrustIdentity<S, F> {
    inner: S,
    find: F,
    clock: Arc<dyn Clock>,
}

/// An identity as somebody else established it. It proves nothing until [`TrustIdentity`] vouches for it.
///
/// ```
/// use countersign::identity::TrustedIdentity;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let identity = TrustedIdentity::new("https://sessions.example.com", "alice")
///     .with_claims([("groups".to_owned(), vec!["admins"].into())])
///     .with_scopes(["read"])
///     .with_expiry(UNIX_EPOCH + Duration::from_secs(2_000_000_000));
/// ```
#[derive(Clone)]
pub struct TrustedIdentity {
    issuer: String,
    subject: String,
    claims: Map<String, Value>,
    scopes: Vec<String>,
    token: Option<SecretString>,
    expires: Option<SystemTime>,
}

impl<F> TrustIdentityLayer<F>
where
    F: Fn(&Extensions) -> Option<TrustedIdentity>,
{
    /// Vouches for whomever `find` finds.
    pub fn new(find: F) -> Self {
        Self { find, clock: Arc::new(SystemClock) }
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The form for an axum router, where the body's type is given.
    pub fn for_router(self) -> TrustIdentityForRouterLayer<F> {
        TrustIdentityForRouterLayer { typed: self }
    }
}

impl TrustedIdentity {
    /// `subject` has to be unique within `issuer`, and never given to another person.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            claims: Map::new(),
            scopes: Vec::new(),
            token: None,
            expires: None,
        }
    }

    /// What else is known, for role rules to look at. A claim `act` (RFC 8693) says who acts for the subject.
    #[must_use]
    pub fn with_claims(mut self, claims: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.claims.extend(claims);
        self
    }

    /// What was granted.
    #[must_use]
    pub fn with_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// The token it was established from, where a later layer is to exchange it.
    #[must_use]
    pub fn with_token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// When it ends.
    #[must_use]
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Who acts for the subject is read from the claim `act`, as it is in a token.
    fn believed(self) -> Result<Identity, Error> {
        if self.issuer.is_empty() || self.subject.is_empty() {
            return Err(unacceptable("the identity that was established names no issuer or no subject"));
        }
        let actors = actors(self.claims.get("act"))?;
        Ok(Identity::new(IdentityParts {
            issuer: self.issuer,
            subject: self.subject,
            claims: self.claims,
            scopes: self.scopes,
            actors,
            token: self.token,
            expires: self.expires,
            honoured_until: self.expires,
        }))
    }
}

impl<S, F: Clone> Layer<S> for TrustIdentityLayer<F> {
    type Service = TrustIdentity<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        TrustIdentity { inner, find: self.find.clone(), clock: self.clock.clone() }
    }
}

impl<S, F: Clone> Layer<S> for TrustIdentityForRouterLayer<F> {
    type Service = TrustIdentity<WithoutProof<S>, F>;

    fn layer(&self, inner: S) -> Self::Service {
        self.typed.layer(WithoutProof::new(inner))
    }
}

impl<S, F, B> Service<Request<B>> for TrustIdentity<S, F>
where
    S: Service<Request<Carry<Authenticated, B>>>,
    S::Error: Into<BoxError>,
    F: Fn(&Extensions) -> Option<TrustedIdentity>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(found) = (self.find)(request.extensions()) else {
            let what = "no identity was established before the layer that trusts it";
            return ResponseFuture::refused(Error::new(Kind::NoToken, what));
        };
        let identity = match found.believed() {
            Ok(identity) => identity,
            Err(error) => return ResponseFuture::refused(error),
        };
        if identity.is_over(self.clock.now()) {
            let what = "the identity that was established has expired";
            return ResponseFuture::refused(Error::new(Kind::ExpiredToken, what));
        }
        let proof = Authenticated::new(identity, self.clock.clone());
        ResponseFuture::calling(self.inner.call(with_proof(request, proof)))
    }
}

impl fmt::Debug for TrustedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIdentity")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actors_are_read_from_the_claims_and_nobody_is_nobody() {
        let delegated = [("act".to_owned(), json!({"sub": "agent", "act": {"sub": "host"}}))];
        let identity = TrustedIdentity::new("https://i", "alice").with_claims(delegated).believed().unwrap();
        let actors: Vec<_> = identity.actors().iter().map(|actor| actor.subject()).collect();
        assert_eq!(actors, ["agent", "host"]);
        let unreadable = [("act".to_owned(), json!("agent"))];
        for found in [
            TrustedIdentity::new("https://i", "alice").with_claims(unreadable),
            TrustedIdentity::new("https://i", ""),
            TrustedIdentity::new("", "alice"),
        ] {
            assert_eq!(found.believed().unwrap_err().kind(), Kind::UnacceptableToken);
        }
    }

    #[test]
    fn no_token_is_ever_printed() {
        let identity = TrustedIdentity::new("https://i", "alice").with_token("hush".into());
        assert!(!format!("{identity:?} {:?}", identity.clone().believed()).contains("hush"));
    }
}
