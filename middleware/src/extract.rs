//! axum extractors, and errors as axum answers.
//!
//! [`Identity`] and [`Authenticated`] are extractors themselves behind `VerifyIdentity` or `TrustIdentity`. Where
//! neither stands around a route they answer 500, never let anybody pass.
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign::{extract::MaybeIdentity, proof::{Authenticated, Identity}, Error};
//! use http::Request;
//!
//! async fn whoami(caller: Identity) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! async fn greet(MaybeIdentity(caller): MaybeIdentity) -> String {
//!     caller.map_or_else(|| "hello".to_owned(), |caller| format!("hello {}", caller.subject()))
//! }
//!
//! /// An error of ours is an answer of its own.
//! async fn relay(caller: Authenticated) -> Result<&'static str, Error> {
//!     let outgoing = caller.attach(Request::new("for the backend"))?;
//!     Ok(outgoing.into_body().into_parts().1)
//! }
//!
//! let app: Router = Router::new().route("/whoami", get(whoami)).route("/", get(greet)).route("/relay", get(relay));
//! ```

use crate::{
    error::{Error, Kind},
    proof::{Authenticated, Identity},
    respond::{Answer, OAuth, Respond, Rewritable},
};
use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

/// Who is calling, or nobody, behind a layer that lets
/// [anonymous](crate::identity::VerifyIdentityForRouterLayer::dangerous_allow_anonymous) requests pass.
#[derive(Clone, Debug)]
pub struct MaybeIdentity(pub Option<Identity>);

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        find(parts)?
            .cloned()
            .ok_or_else(|| Error::new(Kind::NoToken, "an anonymous request needs an identity"))
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        Authenticated::from_request_parts(parts, state).await.map(|proof| proof.identity().clone())
    }
}

impl<S: Sync> FromRequestParts<S> for MaybeIdentity {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Self(find(parts)?.map(|proof| proof.identity().clone())))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let answer = Answer::to(&self);
        let mut response: Response = OAuth::new().respond(&answer);
        response.extensions_mut().insert(Rewritable(answer));
        response
    }
}

/// `Ok(None)` for a request that was let in without a token.
fn find(parts: &Parts) -> Result<Option<&Authenticated>, Error> {
    match parts.extensions.get::<Authenticated>() {
        Some(proof) => Ok(Some(proof)),
        None if was_let_in(parts) => Ok(None),
        None => Err(Error::new(Kind::NotVerified, "no layer around this route establishes who is calling")),
    }
}

#[cfg(feature = "identity")]
fn was_let_in(parts: &Parts) -> bool {
    parts.extensions.get::<crate::identity::Anonymous>().is_some()
}

#[cfg(not(feature = "identity"))]
fn was_let_in(_: &Parts) -> bool {
    false
}
