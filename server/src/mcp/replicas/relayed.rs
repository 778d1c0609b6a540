//! A call that goes on where it was parked, for a client that came back to another replica.
//!
//! The one that the client came to asks, and the other says at once whether it takes the call up. From then on the call
//! may last as long as it likes: what it comes to is numbered, so nothing is missed unnoticed, and a word now and then
//! says that it still goes on.

use super::{Replicas, Word};
use crate::{
    mcp::{
        error::{Refusal, Refused},
        parked::Back,
        session::random,
        sse::{Event, Mouth, streaming},
        talk::Hub,
    },
    task,
};
use axum::{body::Body, http::Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering::{Equal, Greater, Less},
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

/// What is said of a call to the replica that asked for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Piece {
    /// There is no such call.
    Nothing,
    Taken,
    Event(String),
    /// It goes on, and there is nothing to say.
    Still,
    End,
}

/// Calls between this replica and others.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Those that go on elsewhere, for a client that is here.
    awaited: Mutex<HashMap<String, Queue>>,
    /// Those that go on here, for a client that is elsewhere; each ends when this is gone.
    relayed: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

/// What has come of a call, and waits for its client to take it.
#[derive(Debug)]
struct Queue {
    pieces: mpsc::UnboundedSender<(u64, Piece)>,
    bytes: Arc<AtomicUsize>,
}

/// How much may wait for a client: nobody far away can be asked to wait.
const LARGEST: usize = 32 * 1024 * 1024;
/// How long another replica may take to take up a call.
const PROMPT: Duration = Duration::from_secs(5);
/// How often it says that a call still goes on, and how long it may say nothing.
const BEAT: Duration = Duration::from_secs(4);
const SILENCE: Duration = Duration::from_secs(15);
/// No token of a caller lasts longer, and no call does without.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Piece {
    /// How much room it takes.
    fn size(&self) -> usize {
        size_of::<Self>() + if let Self::Event(text) = self { text.len() } else { 0 }
    }
}

impl Calls {
    /// Something was said of a call that is awaited here.
    pub(super) fn hear(&self, call: &str, number: u64, piece: Piece) {
        let mut awaited = lock(&self.awaited);
        let Some(Queue { pieces, bytes }) = awaited.get(call) else { return };
        let size = piece.size();
        if bytes.fetch_add(size, Ordering::Relaxed) + size > LARGEST || pieces.send((number, piece)).is_err()
        {
            awaited.remove(call);
        }
    }

    /// Nobody wants to hear more of it.
    pub(super) fn end(&self, call: &str) {
        lock(&self.relayed).remove(call);
    }

    /// Something may have been missed of whatever is awaited here.
    pub(super) fn lose(&self) {
        lock(&self.awaited).clear();
    }
}

impl Replicas {
    /// Lets a call go on at `to`, where it is parked; what it comes to.
    pub(in crate::mcp) async fn go_back(
        self: &Arc<Self>,
        to: &str,
        back: Back,
    ) -> Result<Response<Body>, Refused> {
        let gone = || Refusal::try_again("this call is parked at another replica, or ended with it");
        if !self.are_several() {
            return Err(gone().into());
        }
        let mut awaiting = Awaiting::new(self, to).ok_or_else(Refusal::defect)?;
        let word = Word::Back { call: awaiting.call.clone(), back: back.clone() };
        if let Err(error) = self.tell(Some(to), &word).await {
            tracing::warn!(%error, "a call cannot go on at another replica");
            return Err(gone().into());
        }
        match timeout(PROMPT, awaiting.next()).await {
            Ok(Some(Piece::Taken)) => {}
            Ok(Some(Piece::Nothing)) => return Err(Back::unknown().into()),
            Ok(Some(Piece::Event(_) | Piece::Still | Piece::End) | None) | Err(_) => {
                return Err(gone().into());
            }
        }
        Ok(streaming(Mouth::speaking(async move |mouth| {
            loop {
                match timeout(SILENCE, awaiting.next()).await {
                    Ok(Some(Piece::Event(text))) => {
                        if mouth.pass(text.into()).await.is_none() {
                            return;
                        }
                    }
                    Ok(Some(Piece::Still)) => {}
                    Ok(Some(Piece::End)) => {
                        awaiting.end();
                        return;
                    }
                    Ok(Some(Piece::Nothing | Piece::Taken) | None) | Err(_) => {
                        mouth.say(Event::saying(&back.refused(Refusal::lost().into()).await)).await;
                        return;
                    }
                }
            }
        })))
    }
}

/// Goes on with a call, and tells the replica that the client came to.
pub(super) fn relay(hub: Arc<Hub>, call: String, to: String, back: Back) {
    let (until, gone) = oneshot::channel();
    match lock(&hub.replicas.calls.relayed).entry(call.clone()) {
        // The store was asked twice, as it did not answer.
        Entry::Occupied(_) => return,
        Entry::Vacant(place) => place.insert(until),
    };
    task::beside(LONGEST, async move {
        let teller = Teller { hub: &hub, to, call, number: AtomicU64::new(0) };
        tokio::select! {
            _ = teller.relay(&back) => {}
            () = teller.go_on_saying_so() => {}
            // Dropping what goes on tells the backend.
            _ = gone => {}
        }
        hub.replicas.calls.end(&teller.call);
    });
}

/// Says what a call comes to.
#[derive(Debug)]
struct Teller<'t> {
    hub: &'t Arc<Hub>,
    to: String,
    call: String,
    /// How many pieces were told.
    number: AtomicU64,
}

impl Teller<'_> {
    /// `None` where nobody can be told any more.
    async fn relay(&self, back: &Back) -> Option<()> {
        let Some((question, going)) = self.hub.parked.take(back) else {
            return self.tell(Piece::Nothing).await;
        };
        self.tell(Piece::Taken).await?;
        let lasting = going.lasting()?;
        match Box::pin(lasting.talk().resume(back, &question, going)).await {
            Ok(response) => {
                let mut events = response.into_body().into_data_stream();
                while let Some(Ok(event)) = events.next().await {
                    self.tell(Piece::Event(String::from_utf8_lossy(&event).into_owned())).await?;
                }
            }
            Err(refused) => {
                let event = Event::saying(&back.refused(refused).await).into_bytes();
                self.tell(Piece::Event(String::from_utf8_lossy(&event).into_owned())).await?;
            }
        }
        self.tell(Piece::End).await
    }

    /// For as long as that can be told.
    async fn go_on_saying_so(&self) {
        loop {
            sleep(BEAT).await;
            let still = Word::Told {
                call: self.call.clone(),
                number: self.number.load(Ordering::Relaxed),
                piece: Piece::Still,
            };
            if let Err(error) = self.hub.replicas.tell(Some(&self.to), &still).await {
                tracing::debug!(%error, "a replica cannot be told that a call still goes on");
            }
        }
    }

    async fn tell(&self, piece: Piece) -> Option<()> {
        let number = self.number.load(Ordering::Relaxed);
        let word = Word::Told { call: self.call.clone(), number, piece };
        let told = self.hub.replicas.tell(Some(&self.to), &word).await;
        told.inspect_err(
            |error| tracing::warn!(%error, "what a call comes to cannot be told to its client's replica"),
        )
        .ok()?;
        // Not before: what still goes on may overtake it until then.
        self.number.store(number + 1, Ordering::Relaxed);
        Some(())
    }
}

/// A client that waits here for what comes from elsewhere.
#[derive(Debug)]
struct Awaiting {
    replicas: Arc<Replicas>,
    to: String,
    call: String,
    pieces: mpsc::UnboundedReceiver<(u64, Piece)>,
    /// How much of them waits.
    bytes: Arc<AtomicUsize>,
    /// How many have come.
    number: u64,
    is_over: bool,
}

impl Awaiting {
    /// `None` where this system has no randomness.
    fn new(replicas: &Arc<Replicas>, to: &str) -> Option<Self> {
        let call = random()?;
        let (sender, pieces) = mpsc::unbounded_channel();
        let bytes = Arc::<AtomicUsize>::default();
        let queue = Queue { pieces: sender, bytes: bytes.clone() };
        lock(&replicas.calls.awaited).insert(call.clone(), queue);
        let (replicas, to) = (replicas.clone(), to.to_owned());
        Some(Self { replicas, to, call, pieces, bytes, number: 0, is_over: false })
    }

    /// `None` where something was missed.
    async fn next(&mut self) -> Option<Piece> {
        loop {
            let (number, piece) = self.pieces.recv().await?;
            self.bytes.fetch_sub(piece.size(), Ordering::Relaxed);
            match (piece, number.cmp(&self.number)) {
                (_, Greater) => return None,
                // What was told meanwhile may have come first.
                (Piece::Still, _) => return Some(Piece::Still),
                (piece, Equal) => {
                    self.number += 1;
                    return Some(piece);
                }
                // The store was asked twice, as it did not answer.
                (_, Less) => {}
            }
        }
    }

    /// Nobody needs to be told that its client is gone.
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        lock(&self.replicas.calls.awaited).remove(&self.call);
        if self.is_over {
            return;
        }
        let (replicas, to, word) =
            (self.replicas.clone(), self.to.clone(), Word::Gone { call: self.call.clone() });
        task::beside(super::PATIENCE, async move {
            if let Err(error) = replicas.tell(Some(&to), &word).await {
                tracing::warn!(%error, "a call cannot be cancelled at another replica");
            }
        });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
