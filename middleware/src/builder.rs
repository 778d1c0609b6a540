//! The layers as methods of tower's `ServiceBuilder`.

#[cfg(any(
    feature = "attach",
    feature = "exchange",
    feature = "identity",
    feature = "respond",
    feature = "role",
    feature = "sign",
    feature = "sts",
    feature = "tokens"
))]
use tower::layer::util::Stack;
use tower::{Service, ServiceBuilder};

/// Adds this crate's layers to [`ServiceBuilder`], so that a stack reads like a sentence.
///
/// ```
/// use axum::{Router, routing::get};
/// use countersign::{identity::{Issuer, Verifier}, proof::Identity, ServiceBuilderExt};
/// use tower::ServiceBuilder;
///
/// let verifier = Verifier::builder()
///     .trust(Issuer::new("https://login.example.com", "https://api.example.com"))
///     .build()?;
/// let stack = ServiceBuilder::new().respond().verify_identity_for_router(verifier);
/// let app: Router = Router::new()
///     .route("/", get(|caller: Identity| async move { caller.subject().to_owned() }))
///     .layer(stack);
/// # Ok::<(), countersign::identity::ConfigError>(())
/// ```
pub trait ServiceBuilderExt<L>: Sized {
    /// Turns errors into responses, in OAuth's format.
    ///
    /// See [`respond`](crate::respond).
    #[cfg(feature = "respond")]
    fn respond(self) -> ServiceBuilder<Stack<crate::respond::RespondLayer, L>>;

    /// Turns errors into responses, in a format of one's own.
    #[cfg(feature = "respond")]
    fn respond_with<R>(self, respond: R) -> ServiceBuilder<Stack<crate::respond::RespondLayer<R>, L>>;

    /// Verifies who is calling, and carries the proof in the request's type.
    ///
    /// See [`identity`](crate::identity).
    #[cfg(feature = "identity")]
    fn verify_identity(
        self,
        verifier: crate::identity::Verifier,
    ) -> ServiceBuilder<Stack<crate::identity::VerifyIdentityLayer, L>>;

    /// Verifies who is calling, and leaves the proof in the extensions.
    #[cfg(feature = "identity")]
    fn verify_identity_for_router(
        self,
        verifier: crate::identity::Verifier,
    ) -> ServiceBuilder<Stack<crate::identity::VerifyIdentityForRouterLayer, L>>;

    /// Selects the IAM role that each request is made in.
    ///
    /// See [`role`](crate::role).
    #[cfg(feature = "role")]
    fn select_role(self, roles: crate::role::Roles)
    -> ServiceBuilder<Stack<crate::role::SelectRoleLayer, L>>;

    /// Gives each request credentials of its caller's, in the role that was selected.
    ///
    /// See [`sts`](crate::sts).
    #[cfg(feature = "sts")]
    fn assume_role<C: crate::sts::CredentialProvider>(
        self,
        cache: &crate::sts::CredentialCache<C>,
        session: crate::sts::Session,
    ) -> ServiceBuilder<Stack<crate::sts::AssumeRoleLayer<C>, L>>;

    /// Gives every request the credentials of one identity, the service's own.
    #[cfg(feature = "sts")]
    fn service_credentials(
        self,
        identity: impl Into<crate::sts::ServiceIdentity>,
    ) -> ServiceBuilder<Stack<crate::sts::ServiceCredentialsLayer, L>>;

    /// Finds the caller's tokens at the providers that the backend needs.
    ///
    /// See [`tokens`](crate::tokens).
    #[cfg(feature = "tokens")]
    fn resolve_tokens<T: crate::tokens::TokenSource, N: Into<crate::tokens::Need>>(
        self,
        source: T,
        needs: impl IntoIterator<Item = N>,
    ) -> ServiceBuilder<Stack<crate::tokens::ResolveTokensLayer<T>, L>>;

    /// Has a token exchanged for one that the backend accepts.
    ///
    /// See [`exchange`](crate::exchange).
    #[cfg(feature = "exchange")]
    fn exchange_token<J>(
        self,
        exchange: crate::exchange::Exchange<J>,
    ) -> ServiceBuilder<Stack<crate::exchange::ExchangeTokenLayer<J>, L>>;

    /// Puts the token onto each request that was got by exchange.
    ///
    /// See [`attach`](crate::attach).
    #[cfg(feature = "attach")]
    fn attach_exchanged_token(
        self,
    ) -> ServiceBuilder<Stack<crate::attach::AttachTokenLayer<crate::attach::Exchanged>, L>>;

    /// Puts the caller's access token at `provider` onto each request.
    #[cfg(feature = "attach")]
    fn attach_upstream_token(
        self,
        provider: impl Into<std::sync::Arc<str>>,
    ) -> ServiceBuilder<Stack<crate::attach::AttachTokenLayer<crate::attach::Upstream>, L>>;

    /// Puts the same headers onto every request.
    #[cfg(feature = "attach")]
    fn attach_headers(
        self,
        headers: crate::attach::FixedHeaders,
    ) -> ServiceBuilder<Stack<crate::attach::AttachHeadersLayer, L>>;

    /// Signs each request with the credentials that a layer before this one established.
    ///
    /// See [`sign`](crate::sign).
    #[cfg(feature = "sign")]
    fn sign_request(
        self,
        target: crate::sign::SigningTarget,
    ) -> ServiceBuilder<Stack<crate::sign::SignRequestLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    #[cfg(feature = "respond")]
    fn respond(self) -> ServiceBuilder<Stack<crate::respond::RespondLayer, L>> {
        self.layer(crate::respond::RespondLayer::new())
    }

    #[cfg(feature = "respond")]
    fn respond_with<R>(self, respond: R) -> ServiceBuilder<Stack<crate::respond::RespondLayer<R>, L>> {
        self.layer(crate::respond::RespondLayer::with(respond))
    }

    #[cfg(feature = "identity")]
    fn verify_identity(
        self,
        verifier: crate::identity::Verifier,
    ) -> ServiceBuilder<Stack<crate::identity::VerifyIdentityLayer, L>> {
        self.layer(crate::identity::VerifyIdentityLayer::new(verifier))
    }

    #[cfg(feature = "identity")]
    fn verify_identity_for_router(
        self,
        verifier: crate::identity::Verifier,
    ) -> ServiceBuilder<Stack<crate::identity::VerifyIdentityForRouterLayer, L>> {
        self.layer(crate::identity::VerifyIdentityLayer::new(verifier).for_router())
    }

    #[cfg(feature = "role")]
    fn select_role(
        self,
        roles: crate::role::Roles,
    ) -> ServiceBuilder<Stack<crate::role::SelectRoleLayer, L>> {
        self.layer(crate::role::SelectRoleLayer::new(roles))
    }

    #[cfg(feature = "sts")]
    fn assume_role<C: crate::sts::CredentialProvider>(
        self,
        cache: &crate::sts::CredentialCache<C>,
        session: crate::sts::Session,
    ) -> ServiceBuilder<Stack<crate::sts::AssumeRoleLayer<C>, L>> {
        self.layer(crate::sts::AssumeRoleLayer::sharing(cache).with_session(session))
    }

    #[cfg(feature = "sts")]
    fn service_credentials(
        self,
        identity: impl Into<crate::sts::ServiceIdentity>,
    ) -> ServiceBuilder<Stack<crate::sts::ServiceCredentialsLayer, L>> {
        self.layer(crate::sts::ServiceCredentialsLayer::new(identity))
    }

    #[cfg(feature = "tokens")]
    fn resolve_tokens<T: crate::tokens::TokenSource, N: Into<crate::tokens::Need>>(
        self,
        source: T,
        needs: impl IntoIterator<Item = N>,
    ) -> ServiceBuilder<Stack<crate::tokens::ResolveTokensLayer<T>, L>> {
        self.layer(crate::tokens::ResolveTokensLayer::new(source, needs))
    }

    #[cfg(feature = "exchange")]
    fn exchange_token<J>(
        self,
        exchange: crate::exchange::Exchange<J>,
    ) -> ServiceBuilder<Stack<crate::exchange::ExchangeTokenLayer<J>, L>> {
        self.layer(crate::exchange::ExchangeTokenLayer::new(exchange))
    }

    #[cfg(feature = "attach")]
    fn attach_exchanged_token(
        self,
    ) -> ServiceBuilder<Stack<crate::attach::AttachTokenLayer<crate::attach::Exchanged>, L>> {
        self.layer(crate::attach::AttachTokenLayer::exchanged())
    }

    #[cfg(feature = "attach")]
    fn attach_upstream_token(
        self,
        provider: impl Into<std::sync::Arc<str>>,
    ) -> ServiceBuilder<Stack<crate::attach::AttachTokenLayer<crate::attach::Upstream>, L>> {
        self.layer(crate::attach::AttachTokenLayer::upstream(provider))
    }

    #[cfg(feature = "attach")]
    fn attach_headers(
        self,
        headers: crate::attach::FixedHeaders,
    ) -> ServiceBuilder<Stack<crate::attach::AttachHeadersLayer, L>> {
        self.layer(crate::attach::AttachHeadersLayer::new(headers))
    }

    #[cfg(feature = "sign")]
    fn sign_request(
        self,
        target: crate::sign::SigningTarget,
    ) -> ServiceBuilder<Stack<crate::sign::SignRequestLayer, L>> {
        self.layer(crate::sign::SignRequestLayer::new(target))
    }
}

/// Puts a check into a stack, so that a mistake is told where the stack is built, not where it is used.
///
/// ```
/// use countersign::CheckService;
/// use http::Request;
/// use tower::{BoxError, ServiceBuilder, service_fn};
///
/// let stack = ServiceBuilder::new()
///     .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(()) }))
///     .check::<Request<()>>();
/// ```
pub trait CheckService: Sized {
    /// Compiles only if this is a service for requests of type `R`.
    #[must_use]
    fn check<R>(self) -> Self
    where
        Self: Service<R>,
    {
        self
    }
}

impl<S> CheckService for S {}
