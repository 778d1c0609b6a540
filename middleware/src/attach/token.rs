use super::{address, finish::finish, future::ResponseFuture};
use crate::{
    error::{BoxError, Error, Kind},
    outgoing::{Outgoing, SendOutgoing},
    proof::{BackendToken, Carry, Identity, Outbound, Proves, UpstreamTokens},
};
use http::{
    HeaderValue, Request,
    header::{self, Entry},
    request::Parts,
};
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Applies [`AttachToken`].
///
/// ```
/// use bytes::Bytes;
/// use countersign::{
///     attach::AttachTokenLayer,
///     outgoing::Payload,
///     proof::{Attached, Carry},
///     tokens::{ResolveTokensLayer, TokenSource},
///     transmit::Transmit,
/// };
/// use http::Request;
/// use http_body_util::Full;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::ServiceBuilder;
///
/// fn stack(source: impl TokenSource) {
///     let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
///     let github = ServiceBuilder::new()
///         .layer(ResolveTokensLayer::new(source, ["github"]))
///         .layer(AttachTokenLayer::upstream("github"))
///         .service(Transmit::new(client));
/// #   fn takes<S: tower::Service<Request<Carry<Attached, Full<Bytes>>>>>(_: S) {}
/// #   takes(github);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AttachTokenLayer<O> {
    of: O,
    plain_http: bool,
}

/// Puts one token onto each request, as `Authorization: Bearer`.
///
/// The caller's own token is never that one: a request whose token is the caller's is refused. See the
/// [module](super).
#[derive(Clone, Debug)]
pub struct AttachToken<S, O> {
    inner: S,
    of: O,
    plain_http: bool,
}

/// The token that [`ExchangeToken`](crate::exchange::ExchangeToken) got.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged(());

/// The access token of one provider that [`ResolveTokens`](crate::tokens::ResolveTokens) found.
#[derive(Clone, Debug)]
pub struct Upstream(Arc<str>);

/// Which token it is, where the proof holds it: [`Exchanged`] or [`Upstream`].
#[diagnostic::on_unimplemented(message = "`{Self}` is no token that can be attached here")]
pub trait TokenOf<P>: sealed::Sealed {
    /// The token of this call.
    #[doc(hidden)]
    fn token<'p>(&self, proof: &'p P) -> Result<&'p SecretString, Error>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Exchanged {}
    impl Sealed for super::Upstream {}
}

impl AttachTokenLayer<Exchanged> {
    /// Attaches what the token was exchanged for.
    pub fn exchanged() -> Self {
        Self { of: Exchanged(()), plain_http: false }
    }
}

impl AttachTokenLayer<Upstream> {
    /// Attaches the access token of `provider`.
    pub fn upstream(provider: impl Into<Arc<str>>) -> Self {
        Self { of: Upstream(provider.into()), plain_http: false }
    }
}

impl<O> AttachTokenLayer<O> {
    /// Sends tokens over plain http as well, where whoever is on the way can take them.
    #[must_use]
    pub fn dangerous_allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }
}

impl<P: Proves<BackendToken>> TokenOf<P> for Exchanged {
    fn token<'p>(&self, proof: &'p P) -> Result<&'p SecretString, Error> {
        Ok(proof.fact().token())
    }
}

impl<P: Proves<UpstreamTokens>> TokenOf<P> for Upstream {
    fn token<'p>(&self, proof: &'p P) -> Result<&'p SecretString, Error> {
        let token = proof.fact().of(&self.0).map(|token| token.access_token());
        token.ok_or_else(|| {
            let what = "no token was looked up of the provider whose token the backend takes";
            Error::new(Kind::UpstreamTokenMissing, what).with_provider(&self.0)
        })
    }
}

impl<S, O> AttachToken<S, O> {
    fn finished<P, B>(&self, parts: Parts, carry: Carry<P, B>) -> Result<Outgoing<B>, Error>
    where
        P: Proves<Identity> + Outbound,
        O: TokenOf<P>,
    {
        let proof = carry.proof();
        let token = self.of.token(proof)?;
        let caller: &Identity = proof.fact();
        if caller.token().is_some_and(|own| own.expose_secret() == token.expose_secret()) {
            return Err(unattachable("the token for the backend is the caller's own"));
        }
        if !self.plain_http {
            address::check(&parts.uri)?;
        }
        let value = bearer(token)?;
        finish(parts, carry.into_parts().1, |headers| match headers.entry(header::AUTHORIZATION) {
            Entry::Occupied(_) => Err(unattachable("the request has an authorization already")),
            Entry::Vacant(place) => {
                place.insert(value);
                Ok(())
            }
        })
    }
}

impl<S, O: Clone> Layer<S> for AttachTokenLayer<O> {
    type Service = AttachToken<S, O>;

    fn layer(&self, inner: S) -> Self::Service {
        AttachToken { inner, of: self.of.clone(), plain_http: self.plain_http }
    }
}

impl<S, O, P, B> Service<Request<Carry<P, B>>> for AttachToken<S, O>
where
    P: Proves<Identity> + Outbound,
    O: TokenOf<P>,
    S: SendOutgoing<B>,
    S::Failure: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Sending>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Carry<P, B>>) -> Self::Future {
        let (parts, carry) = request.into_parts();
        match self.finished(parts, carry) {
            Ok(outgoing) => ResponseFuture::sending(self.inner.call(outgoing)),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}

/// Only what RFC 6750 lets a token be goes into a header, and two letters more that some issuers use: no space, no line
/// break, nothing that ends a value.
fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    let text = token.expose_secret();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=:|".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(unattachable("the token for the backend has characters that no bearer token has"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {text}"))
        .map_err(|_| unattachable("the token for the backend fits into no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unattachable(what: &'static str) -> Error {
    Error::new(Kind::Unattachable, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_of_known_letters() {
        assert_eq!(bearer(&"a.b-c_d~e+f/g==".into()).unwrap(), "Bearer a.b-c_d~e+f/g==");
        assert!(bearer(&"t".into()).unwrap().is_sensitive());
        for bad in ["", " ", "a b", "a\r\nx-admin: 1", "a\n", "a\t", "a,b", "a\"", "\u{e9}", "a\0"] {
            let error = bearer(&bad.into()).unwrap_err();
            assert_eq!(error.kind(), Kind::Unattachable, "{bad:?}");
        }
    }
}
