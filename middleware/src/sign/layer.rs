use super::{SignedHeaders, Signer, SigningTarget, service::SignRequest};
use crate::clock::{Clock, SystemClock};
use http::uri::Authority;
use std::sync::Arc;
use tower_layer::Layer;

/// Applies [`SignRequest`].
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct SignRequestLayer {
    settings: Arc<Settings>,
}

/// How to sign.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) signer: Signer,
    pub(super) payload: PayloadMode,
    pub(super) clock: Arc<dyn Clock>,
}

/// Where the payload's part of the signature comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum PayloadMode {
    /// The body is read first, up to so many bytes.
    Signed { max_body: usize },
    /// The request says.
    Precomputed,
    /// It has none.
    Unsigned,
}

impl SignRequestLayer {
    /// Signs for `target`, the payload included, and refuses payloads of more than 10 MiB.
    pub fn new(target: SigningTarget) -> Self {
        Self::with_signer(Signer::new(target))
    }

    /// Signs with `signer`, so that both [count](Signer::handed_over) together.
    pub fn with_signer(signer: Signer) -> Self {
        let payload = PayloadMode::Signed { max_body: 10 * 1024 * 1024 };
        Self { settings: Arc::new(Settings { signer, payload, clock: Arc::new(SystemClock) }) }
    }

    /// Covers other headers than the [least](SignedHeaders::Minimal).
    #[must_use]
    pub fn with_signed_headers(self, which: SignedHeaders) -> Self {
        self.change(|settings| settings.signer = settings.signer.clone().with_signed_headers(which))
    }

    /// Signs `host` in place of the address's own: see [`Signer::with_signed_host`].
    #[must_use]
    pub fn with_signed_host(self, host: &Authority) -> Self {
        self.change(|settings| settings.signer = settings.signer.clone().with_signed_host(host))
    }

    /// How many bytes a payload may have. A body that is in memory already is not copied.
    #[must_use]
    pub fn with_max_body(self, bytes: usize) -> Self {
        self.change(|settings| settings.payload = PayloadMode::Signed { max_body: bytes })
    }

    /// Leaves the payload out of the signature, so that it can be of any size and is passed on as it comes. Few
    /// services accept that, and only over https is it any good.
    #[must_use]
    pub fn with_unsigned_payload(self) -> Self {
        self.change(|settings| settings.payload = PayloadMode::Unsigned)
    }

    /// Signs the [`PayloadHash`](super::PayloadHash) that is among the request's extensions, and passes the body on
    /// as it comes, of any size. A request without one is refused. It is put there after attaching, which takes
    /// off every extension; the service refuses a body that has another hash.
    #[must_use]
    pub fn with_precomputed_payload(self) -> Self {
        self.change(|settings| settings.payload = PayloadMode::Precomputed)
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.change(|settings| settings.clock = clock)
    }

    /// What signs: for its [count](Signer::handed_over).
    pub fn signer(&self) -> &Signer {
        &self.settings.signer
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl PayloadMode {
    /// How much of a body may be read.
    pub(super) fn limit(self) -> usize {
        match self {
            Self::Signed { max_body } => max_body,
            Self::Precomputed | Self::Unsigned => 0,
        }
    }
}

impl<S> Layer<S> for SignRequestLayer {
    type Service = SignRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SignRequest::new(inner, self.settings.clone())
    }
}
