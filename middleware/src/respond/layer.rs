use super::{oauth::OAuth, service::RespondService};
use tower_layer::Layer;

/// Applies [`RespondService`]: the outermost layer of a stack.
///
/// See the [module](super) for an example.
#[derive(Clone, Debug, Default)]
pub struct RespondLayer<R = OAuth> {
    respond: R,
}

impl RespondLayer {
    /// Answers in OAuth's format.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<R> RespondLayer<R> {
    /// Answers as `respond` does.
    pub fn with(respond: R) -> Self {
        Self { respond }
    }
}

impl<S, R: Clone> Layer<S> for RespondLayer<R> {
    type Service = RespondService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        RespondService::new(inner, self.respond.clone())
    }
}
