//! Resources that subscriptions watch in a session that they share: the backend is told to stop when the last of them is
//! over.

use super::{
    peer::Peer,
    session::Session,
    talk::{Lasting, Talk},
    wire::quoted,
};
use crate::task;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// How many subscriptions watch each resource, by backend and by what that calls it. Whoever tells a backend holds on to
/// it meanwhile, so that nobody stops what another has just begun.
#[derive(Debug)]
pub(super) struct Watchers(Vec<Mutex<HashMap<String, usize>>>);

/// What one subscription watches at one backend, for as long as this is there.
#[derive(Debug)]
pub(super) struct Watching {
    lasting: Lasting,
    session: Arc<Session>,
    place: usize,
    watched: Vec<String>,
}

/// How long it may take to tell a backend, and how long all of a subscription's.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);

impl Watchers {
    pub(super) fn of(peers: usize) -> Self {
        Self((0..peers).map(|_| Mutex::default()).collect())
    }
}

impl Talk<'_> {
    /// Watches these at `peer`, by what the client and the backend call them, as far as that lets it.
    pub(super) async fn watch(
        &self,
        session: &Arc<Session>,
        peer: &Peer,
        resources: &[(String, String)],
    ) -> Watching {
        let (lasting, session, place) = (self.lasting(), session.clone(), peer.place);
        let mut watching = Watching { lasting, session, place, watched: Vec::new() };
        let session = watching.session.clone();
        let Some(watchers) = session.watchers.0.get(place) else { return watching };
        for (ours, theirs) in resources {
            let mut counts = watchers.lock().await;
            // Before it is told: whoever stops waiting takes it back.
            *counts.entry(theirs.clone()).or_default() += 1;
            watching.watched.push(theirs.clone());
            session.lines.watch(place, theirs, ours);
            let members = format!("\"uri\":{}", quoted(theirs));
            let asked = self.ask_on_line(&session, peer, "resources/subscribe", &members);
            if !matches!(timeout(PATIENCE, asked).await, Ok(Ok(_))) {
                watching.watched.pop();
                if is_last(&mut counts, theirs) {
                    session.lines.stop_watching(place, theirs);
                }
            }
        }
        watching
    }
}

impl Watching {
    pub(super) fn watched(&self) -> &[String] {
        &self.watched
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let watched = std::mem::take(&mut self.watched);
        if watched.is_empty() {
            return;
        }
        let (lasting, session, place) = (self.lasting.clone(), self.session.clone(), self.place);
        task::beside(LONGEST, async move {
            let talk = lasting.talk();
            let (Ok(peer), Some(watchers)) = (talk.hub.peer(place), session.watchers.0.get(place)) else {
                return;
            };
            for theirs in watched {
                let mut counts = watchers.lock().await;
                if !is_last(&mut counts, &theirs) {
                    continue;
                }
                session.lines.stop_watching(place, &theirs);
                // Nothing is begun for it, nor in the name of somebody whose token is over.
                if !session.lines.is_open(place).await || talk.caller.is_over() {
                    continue;
                }
                let members = format!("\"uri\":{}", quoted(&theirs));
                let asked = talk.ask_on_line(&session, peer, "resources/unsubscribe", &members);
                if !matches!(timeout(PATIENCE, asked).await, Ok(Ok(_))) {
                    tracing::info!(backend = peer.name(), "could not be told that nobody watches a resource");
                }
            }
        });
    }
}

/// One watches it less; whether that was the last.
fn is_last(counts: &mut HashMap<String, usize>, theirs: &str) -> bool {
    match counts.get_mut(theirs) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        _ => counts.remove(theirs).is_some(),
    }
}
