//! Assertions that somebody signed for one use: the second time they are nobody's.

use super::error::Fault;
use crate::store::{Expect, Namespace, Store, Terms};
use std::time::Duration;

/// Remembers what was used, in the store, so that all replicas know.
#[derive(Clone, Debug)]
pub(super) struct Once {
    store: Store,
}

const USED: Namespace = Namespace::new("assertions-used");

impl Once {
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whether nobody used `id` of `issuer` before. To be called when everything else about it is right, and with at least
    /// the time for which it is.
    pub(super) async fn first(&self, issuer: &str, id: &str, lasting: Duration) -> Result<bool, Fault> {
        let terms = Terms::lasting(lasting);
        Ok(self.store.put(&USED.key(&[issuer, id]), &(), &terms, Expect::Absent).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::Scene;

    #[tokio::test]
    async fn the_second_use_is_none() {
        let scene = Scene::new();
        let once = Once::new(scene.store.clone());
        let minute = Duration::from_secs(60);
        assert!(once.first("a", "1", minute).await.unwrap());
        assert!(!once.first("a", "1", minute).await.unwrap());
        assert!(once.first("b", "1", minute).await.unwrap() && once.first("a", "2", minute).await.unwrap());
        scene.hands.advance(minute);
        assert!(once.first("a", "1", minute).await.unwrap(), "what would be too old by now is forgotten");
    }
}
