//! Requests that their client does not want any more, in whichever way its era and the backend's say so.
//!
//! A client without a session goes away, and a backend with one has to be told; a client with a session tells, and from
//! a backend without one we go away.

use super::{
    peer::Peer,
    session::Session,
    talk::{Lasting, Talk},
};
use crate::task;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// A request on a line. Where nobody waits for its answer any more, the backend is told.
#[derive(Debug)]
pub(super) struct Left(Option<Told>);

#[derive(Debug)]
struct Told {
    lasting: Lasting,
    session: Arc<Session>,
    place: usize,
    fresh: u64,
}

/// Requests of a session to backends without any, by the client's ids.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<HashMap<String, watch::Sender<bool>>>);

/// Whether one of them is cancelled.
#[derive(Debug)]
pub(super) struct Cancelled {
    session: Arc<Session>,
    id: String,
    told: watch::Receiver<bool>,
}

/// How long it may take to tell a backend.
const PATIENCE: Duration = Duration::from_secs(10);

impl Left {
    /// For the request that `peer` knows as `fresh`.
    pub(super) fn on(talk: &Talk<'_>, peer: &Peer, session: &Arc<Session>, fresh: u64) -> Self {
        let (session, place) = (session.clone(), peer.place);
        Self(Some(Told { lasting: talk.lasting(), session, place, fresh }))
    }

    /// What was to be done for it.
    pub(super) fn lasting(&self) -> Option<Lasting> {
        self.0.as_ref().map(|told| told.lasting.clone())
    }

    /// It was answered.
    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let Some(Told { lasting, session, place, fresh }) = self.0.take() else { return };
        task::beside(PATIENCE, async move {
            session.flights.land(&fresh.to_string());
            let talk = lasting.talk();
            let Ok(peer) = talk.hub.peer(place) else { return };
            let body = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{fresh},"reason":"the client is gone"}}}}"#
            );
            if session.post(peer, talk.caller, None, body.into()).await.is_err() {
                tracing::info!(backend = peer.name(), "could not be told that a request is cancelled");
            }
        });
    }
}

impl Cancels {
    /// Notes that the client's request `id` is cancelled, if it is one of these.
    pub(super) fn cancel(&self, id: &str) {
        if let Some(told) = self.lock().get(id) {
            told.send_replace(true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancelled {
    /// For the client's request `id`.
    pub(super) fn of(session: &Arc<Session>, id: &str) -> Self {
        let (tell, told) = watch::channel(false);
        session.cancels.lock().insert(id.to_owned(), tell);
        Self { session: session.clone(), id: id.to_owned(), told }
    }

    /// Waits until it is.
    pub(super) async fn told(&mut self) {
        if self.told.wait_for(|told| *told).await.is_err() {
            // Another request has the same id, so nobody can say which is meant.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        let mut waiting = self.session.cancels.lock();
        if waiting.get(&self.id).is_some_and(|tell| tell.receiver_count() <= 1) {
            waiting.remove(&self.id);
        }
    }
}
