use super::{
    service::{VerifyIdentity, VerifyIdentityForRouter},
    verifier::Verifier,
};
use tower_layer::Layer;

/// Applies [`VerifyIdentity`]: requests go on with the proof of who is calling in their type.
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct VerifyIdentityLayer {
    verifier: Verifier,
}

/// Applies [`VerifyIdentityForRouter`]: requests go on with the proof in their extensions.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::{
///     identity::{Issuer, Verifier, VerifyIdentityLayer},
///     proof::Identity,
///     respond::RespondLayer,
/// };
/// use tower::ServiceBuilder;
///
/// async fn whoami(caller: Identity) -> String {
///     caller.subject().to_owned()
/// }
///
/// let verifier = Verifier::builder()
///     .trust(Issuer::new("https://login.example.com", "https://api.example.com"))
///     .build()?;
/// let app: Router = Router::new().route("/whoami", get(whoami)).layer(
///     ServiceBuilder::new()
///         .layer(RespondLayer::new())
///         .layer(VerifyIdentityLayer::new(verifier).for_router()),
/// );
/// # Ok::<(), countersign::identity::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct VerifyIdentityForRouterLayer {
    verifier: Verifier,
    anonymous: bool,
}

impl VerifyIdentityLayer {
    /// Lets in whom `verifier` vouches for.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier }
    }

    /// The form for an axum router, where the body's type is given.
    pub fn for_router(self) -> VerifyIdentityForRouterLayer {
        VerifyIdentityForRouterLayer { verifier: self.verifier, anonymous: false }
    }
}

impl VerifyIdentityForRouterLayer {
    /// Lets requests without any token pass, without an identity. A bad token is refused all the same. Handlers
    /// behind this must ask for an identity where they need one.
    #[must_use]
    pub fn dangerous_allow_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

impl<S> Layer<S> for VerifyIdentityLayer {
    type Service = VerifyIdentity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifyIdentity::new(inner, self.verifier.clone())
    }
}

impl<S> Layer<S> for VerifyIdentityForRouterLayer {
    type Service = VerifyIdentityForRouter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifyIdentityForRouter::new(inner, self.verifier.clone(), self.anonymous)
    }
}
