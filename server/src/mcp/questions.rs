//! What the gateway itself asks the client of a session, for a backend that has none.

use super::flights::fresh;
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Questions that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<HashMap<String, oneshot::Sender<Bytes>>>);

/// How many may wait in one session.
const MOST: usize = 256;

impl Questions {
    /// The id to ask under at this replica, and where the answer comes; `None` where too many wait.
    pub(super) fn ask(&self, me: &str) -> Option<(String, oneshot::Receiver<Bytes>)> {
        let mut waiting = self.lock();
        waiting.retain(|_, answer| !answer.is_closed());
        if waiting.len() >= MOST {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let id = fresh().to_string();
        waiting.insert(id.clone(), answer);
        // No backend has an empty name.
        Some((format!(":{me}:{id}"), answered))
    }

    /// Hands the client's answer on; `None` where nobody waits for it.
    pub(super) fn answer(&self, id: &str, message: Bytes) -> Option<()> {
        self.lock().remove(id)?.send(message).ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
