//! Telling other parts of the server, and other replicas, that something happened.

use super::{key::Namespace, redis};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::broadcast;

/// What a listener hears, as an engine passes it on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message(Vec<u8>),
    /// Something may have been said while nobody listened.
    Missed,
}

/// One who listens to a channel.
#[derive(Debug)]
pub(super) enum Listener {
    Local(broadcast::Receiver<Arc<[u8]>>),
    Redis(Box<redis::Listener>),
}

/// Channels inside one process.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<&'static str, broadcast::Sender<Arc<[u8]>>>>);

/// Who is further behind has missed something.
const BACKLOG: usize = 1_024;

impl Listener {
    /// The next thing said. Nothing is lost if the future is dropped.
    pub(super) async fn heard(&mut self) -> Heard {
        match self {
            Self::Local(receiver) => match receiver.recv().await {
                Ok(message) => Heard::Message(message.to_vec()),
                Err(broadcast::error::RecvError::Lagged(_)) => Heard::Missed,
                // The store is gone, and nobody will say anything any more.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            },
            Self::Redis(listener) => listener.heard().await,
        }
    }
}

impl Channels {
    pub(super) fn publish(&self, channel: Namespace, message: &[u8]) {
        // Nobody listening is nothing wrong.
        let _ = self.sender(channel).send(message.into());
    }

    pub(super) fn listen(&self, channel: Namespace) -> Listener {
        Listener::Local(self.sender(channel).subscribe())
    }

    fn sender(&self, channel: Namespace) -> broadcast::Sender<Arc<[u8]>> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        channels.entry(channel.name()).or_insert_with(|| broadcast::Sender::new(BACKLOG)).clone()
    }
}
