//! What is shown to the authorization server: the subject's token, and perhaps an actor's.

use super::kind::TokenKind;
use crate::{
    error::{Error, Kind},
    fetch::jwt::Jwt,
    proof::{Identity, Outbound, Proves, UpstreamToken, UpstreamTokens},
};
use secrecy::SecretString;
use std::{fmt, sync::Arc, time::SystemTime};

/// The caller's own token, as the subject of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct CallersToken {
    kind: TokenKind,
}

/// The caller's token at another provider, as the subject of an exchange.
#[derive(Clone, Debug)]
pub struct UpstreamsToken {
    provider: Arc<str>,
    kind: TokenKind,
}

/// Who acts for the subject: the second token of an exchange.
#[derive(Clone)]
pub struct Actor(Acting);

#[derive(Clone)]
enum Acting {
    Caller(CallersToken),
    Upstream(UpstreamsToken),
    Fixed(SecretString, TokenKind),
}

/// Whose token is exchanged: [`CallersToken`] or [`UpstreamsToken`], each where the proof holds it.
#[diagnostic::on_unimplemented(message = "`{Self}` is not whose token can be exchanged here")]
pub trait Subject<P>: sealed::Sealed {
    /// What this call shows.
    #[doc(hidden)]
    fn shown(&self, proof: &P) -> Result<Shown, Error>;
}

/// A token that is shown, and what is said about it.
#[doc(hidden)]
#[derive(Clone)]
pub struct Shown {
    pub(super) token: SecretString,
    pub(super) kind: TokenKind,
    pub(super) expires: Option<SystemTime>,
}

pub(super) mod sealed {
    use super::TokenKind;

    pub trait Sealed: Clone + std::fmt::Debug + Send + Sync + 'static {
        fn kind(&self) -> TokenKind;

        /// The name of the provider, where that may be wrong.
        fn provider(&self) -> Option<&str>;
    }
}

impl CallersToken {
    /// It is called an access token.
    pub fn new() -> Self {
        Self { kind: TokenKind::AccessToken }
    }

    /// It is called something else.
    #[must_use]
    pub fn called(mut self, kind: TokenKind) -> Self {
        self.kind = kind;
        self
    }

    fn of(self, caller: &Identity) -> Result<Shown, Error> {
        let token = caller.token().ok_or_else(|| {
            let what = "the caller's identity came without a token that could be exchanged";
            Error::new(Kind::ExchangeRefused, what)
        })?;
        Ok(Shown { token: token.clone(), kind: self.kind, expires: caller.expires() })
    }
}

impl Default for CallersToken {
    fn default() -> Self {
        Self::new()
    }
}

impl UpstreamsToken {
    /// The access token of `provider`.
    pub fn access_token(provider: impl Into<Arc<str>>) -> Self {
        Self { provider: provider.into(), kind: TokenKind::AccessToken }
    }

    /// The ID token of `provider`. `ResolveTokens` has to be told that it is
    /// [needed](crate::tokens::Need::id_token).
    pub fn id_token(provider: impl Into<Arc<str>>) -> Self {
        Self { provider: provider.into(), kind: TokenKind::IdToken }
    }

    fn of(&self, tokens: Option<&UpstreamTokens>) -> Result<Shown, Error> {
        let token = tokens.and_then(|tokens| tokens.of(&self.provider));
        token.and_then(|token| self.choose(token)).ok_or_else(|| {
            let what = "the caller has no token of the provider whose token is exchanged";
            Error::new(Kind::UpstreamTokenMissing, what).with_provider(&self.provider)
        })
    }

    fn choose(&self, token: &UpstreamToken) -> Option<Shown> {
        let kind = self.kind;
        match kind {
            TokenKind::IdToken => {
                let id_token = token.id_token()?.clone();
                let expires = Jwt::read(&id_token).and_then(|jwt| jwt.expires());
                Some(Shown { token: id_token, kind, expires })
            }
            TokenKind::AccessToken | TokenKind::Jwt => {
                Some(Shown { token: token.access_token().clone(), kind, expires: token.expires() })
            }
        }
    }
}

impl Actor {
    /// The caller, for the person whose upstream token is the subject.
    pub fn caller(token: CallersToken) -> Self {
        Self(Acting::Caller(token))
    }

    /// The caller's account at another provider.
    pub fn upstream(token: UpstreamsToken) -> Self {
        Self(Acting::Upstream(token))
    }

    /// This service itself, by a token that lasts.
    pub fn fixed(token: SecretString, kind: TokenKind) -> Self {
        Self(Acting::Fixed(token, kind))
    }

    pub(super) fn shown<P: Proves<Identity> + Outbound>(&self, proof: &P) -> Result<Shown, Error> {
        match &self.0 {
            Acting::Caller(token) => token.of(proof.fact()),
            Acting::Upstream(token) => token.of(proof.upstream_tokens()),
            Acting::Fixed(token, kind) => Ok(Shown { token: token.clone(), kind: *kind, expires: None }),
        }
    }
}

impl sealed::Sealed for CallersToken {
    fn kind(&self) -> TokenKind {
        self.kind
    }

    fn provider(&self) -> Option<&str> {
        None
    }
}

impl sealed::Sealed for UpstreamsToken {
    fn kind(&self) -> TokenKind {
        self.kind
    }

    fn provider(&self) -> Option<&str> {
        Some(&self.provider)
    }
}

impl<P: Proves<Identity>> Subject<P> for CallersToken {
    fn shown(&self, proof: &P) -> Result<Shown, Error> {
        self.of(proof.fact())
    }
}

impl<P: Proves<UpstreamTokens>> Subject<P> for UpstreamsToken {
    fn shown(&self, proof: &P) -> Result<Shown, Error> {
        self.of(Some(proof.fact()))
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Acting::Caller(token) => f.debug_tuple("Actor").field(token).finish(),
            Acting::Upstream(token) => f.debug_tuple("Actor").field(token).finish(),
            Acting::Fixed(_, kind) => f.debug_tuple("Actor").field(kind).finish(),
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("kind", &self.kind)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
