//! What the fuzz targets do with their input. The crate in `tests/fuzz` feeds them with new inputs, the suite
//! `replay` with those that were kept.
//!
//! Each of them panics when something is wrong, and otherwise says what became of the input. Time stands still, so
//! that an input means the same every day.

mod header;
mod jwks;
mod token;

pub use self::{header::header, jwks::jwks, token::token};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{
    BoxError, Error, Kind,
    clock::Clock,
    identity::VerifyIdentity,
    proof::{Authenticated, Carry, Identity, Proves},
};
use countersign_fixtures::keys::{Algorithm, SigningKey};
use futures_util::FutureExt;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::json;
use std::{
    future::{Ready, ready},
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tower::{Service, ServiceExt};

/// The time at which every input is judged, in seconds since 1970.
pub const NOW: u32 = 1_800_000_000;
/// The `kid` of the key that signs what [`token()`] is given.
pub const KID: &str = "k";
/// Whose tokens are believed.
pub const ISSUER: &str = "https://login.example.com";
/// Whom they have to be for.
pub const AUDIENCE: &str = "https://api.example.com";

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It cannot be put to the question: no header could carry these bytes, for example.
    Unfit,
    /// It was believed, and rightly so.
    Accepted,
    /// It was refused.
    Refused(Kind),
    /// It is no key set.
    Unreadable,
}

/// A key that nobody else has: made anew for each process, and never seen by an input.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::EdDSA, KID));

#[derive(Debug)]
struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW.into())
    }
}

/// What stands behind the layer: it tells whose proof it was called with.
type Caller = fn(Request<Carry<Authenticated, Full<Bytes>>>) -> Ready<Result<Identity, BoxError>>;

#[allow(clippy::needless_pass_by_value, reason = "a service takes its request")]
fn caller(request: Request<Carry<Authenticated, Full<Bytes>>>) -> Ready<Result<Identity, BoxError>> {
    let identity: &Identity = request.body().proof().fact();
    ready(Ok(identity.clone()))
}

/// A request with these `Authorization` headers. `None` where no header can have such a value.
fn request(values: &[&[u8]]) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::default());
    for value in values {
        let value = HeaderValue::from_bytes(value).ok()?;
        request.headers_mut().append(AUTHORIZATION, value);
    }
    Some(request)
}

/// Puts a token to `service`, which has all it needs and therefore answers at once.
fn present(service: &VerifyIdentity<tower::util::ServiceFn<Caller>>, token: &str) -> Result<Identity, Kind> {
    let request = request(&[format!("Bearer {token}").as_bytes()]).expect("a token can stand in a header");
    answer(service.clone(), request)
}

fn answer<S>(service: S, request: Request<Full<Bytes>>) -> Result<S::Response, Kind>
where
    S: Service<Request<Full<Bytes>>, Error = BoxError>,
{
    let answer = service.oneshot(request).now_or_never();
    answer
        .expect("with keys at hand there is nothing to wait for")
        .map_err(|error| error.downcast::<Error>().expect("the error is the layer's own").kind())
}

/// The public half of [`KEY`] as a key set.
fn key_set() -> String {
    json!({ "keys": [KEY.public_jwk()] }).to_string()
}

/// A compact JWS of exactly these texts, signed with [`KEY`] whatever the header says.
fn sign(header: &[u8], claims: &[u8]) -> String {
    let message = message(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn message(header: &[u8], claims: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
