use super::{SigningTarget, service::SignRequest};
use crate::clock::{Clock, SystemClock};
use std::sync::Arc;
use tower_layer::Layer;

/// Applies [`SignRequest`].
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct SignRequestLayer {
    settings: Settings,
}

/// How to sign.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) target: SigningTarget,
    /// How much of a body to read before signing; `None` leaves the payload unsigned.
    pub(super) max_body: Option<usize>,
    pub(super) clock: Arc<dyn Clock>,
}

impl SignRequestLayer {
    /// Signs for `target`, the payload included, and refuses payloads of more than 10 MiB.
    pub fn new(target: SigningTarget) -> Self {
        let max_body = Some(10 * 1024 * 1024);
        Self { settings: Settings { target, max_body, clock: Arc::new(SystemClock) } }
    }

    /// How many bytes a payload may have. A body that is in memory already is not copied.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = Some(bytes);
        self
    }

    /// Leaves the payload out of the signature, so that it can be of any size and is passed on as it comes. Few
    /// services accept that, and only over https is it any good.
    #[must_use]
    pub fn with_unsigned_payload(mut self) -> Self {
        self.settings.max_body = None;
        self
    }

    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }
}

impl<S> Layer<S> for SignRequestLayer {
    type Service = SignRequest<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SignRequest::new(inner, self.settings.clone())
    }
}
