//! What a backend tells a session, for all who listen there: it gives a session one stream, and a client without sessions
//! may have several subscriptions.

use super::sse::{Event, Events};
use crate::task;
use axum::body::Body;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::broadcast::{self, Receiver, WeakSender};

/// The streams that are open, by backend.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<HashMap<usize, WeakSender<Event>>>);

/// Who is further behind has missed something, and asks again.
const BACKLOG: usize = 256;
/// No token lasts longer, and nobody listens without.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Shared {
    /// Listens to a stream that is open already.
    pub(super) fn join(&self, place: usize) -> Option<Receiver<Event>> {
        let told = self.lock().get(&place)?.upgrade()?;
        (told.receiver_count() > 0).then(|| told.subscribe())
    }

    /// Opens a stream to others, for as long as anybody listens.
    pub(super) fn share(&self, place: usize, body: Body) -> Receiver<Event> {
        let (tell, told) = broadcast::channel(BACKLOG);
        self.lock().insert(place, tell.downgrade());
        task::beside(LONGEST, async move {
            let mut events = Events::of(body);
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = tell.closed() => return,
                };
                let Ok(Some(event)) = event else { return };
                if tell.send(event).is_err() {
                    return;
                }
            }
        });
        told
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, WeakSender<Event>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
