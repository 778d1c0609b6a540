use super::{builder::Exchange, service::ExchangeToken};
use tower_layer::Layer;

/// Applies [`ExchangeToken`].
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct ExchangeTokenLayer<J> {
    exchange: Exchange<J>,
}

impl<J> ExchangeTokenLayer<J> {
    /// Has tokens exchanged as `exchange` says.
    pub fn new(exchange: Exchange<J>) -> Self {
        Self { exchange }
    }
}

impl<S, J: Clone> Layer<S> for ExchangeTokenLayer<J> {
    type Service = ExchangeToken<S, J>;

    fn layer(&self, inner: S) -> Self::Service {
        ExchangeToken::new(inner, self.exchange.clone())
    }
}
