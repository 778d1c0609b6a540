use super::{CorrectClock, CorrectedClock};
use crate::sign::Signer;
use tower_layer::Layer;

/// Applies [`CorrectClock`](super::CorrectClock): see there.
#[derive(Clone, Debug)]
pub struct CorrectClockLayer {
    clock: CorrectedClock,
    signer: Option<Signer>,
}

impl CorrectClockLayer {
    /// Corrects `clock`, by which the layer that signs tells the time as well.
    pub fn new(clock: CorrectedClock) -> Self {
        Self { clock, signer: None }
    }

    /// Says in the log what arrived otherwise than `signer` signed it, where a refusal tells what arrived: for whoever has
    /// to find out who on the way changed it. Values are left out. The layer that signs
    /// [has it](crate::sign::SignRequestLayer::signer).
    #[must_use]
    pub fn explaining(mut self, signer: &Signer) -> Self {
        self.signer = Some(signer.clone());
        self
    }
}

impl<S> Layer<S> for CorrectClockLayer {
    type Service = CorrectClock<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorrectClock::new(inner, self.clock.clone(), self.signer.clone())
    }
}
