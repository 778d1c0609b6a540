use super::{CorrectClock, CorrectedClock};
use tower_layer::Layer;

/// Applies [`CorrectClock`](super::CorrectClock): see there.
#[derive(Clone, Debug)]
pub struct CorrectClockLayer {
    clock: CorrectedClock,
}

impl CorrectClockLayer {
    /// Corrects `clock`, by which the layer that signs tells the time as well.
    pub fn new(clock: CorrectedClock) -> Self {
        Self { clock }
    }
}

impl<S> Layer<S> for CorrectClockLayer {
    type Service = CorrectClock<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorrectClock::new(inner, self.clock.clone())
    }
}
