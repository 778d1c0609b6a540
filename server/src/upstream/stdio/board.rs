//! Who waits for what a process says.

use super::message::About;
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{sync::mpsc, time::Instant};

/// Everybody who waits for something of one process.
#[derive(Debug)]
pub(super) struct Board {
    backend: Arc<str>,
    /// Whether all of it is one client's.
    is_ones: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: HashMap<String, Waiting>,
    /// Whoever hears what answers nothing, and what was said before anybody listened.
    listener: Option<Mouth>,
    kept: VecDeque<Bytes>,
    asked: u64,
    used: Instant,
    over: bool,
}

#[derive(Debug)]
struct Waiting {
    mouth: Mouth,
    /// Its place among all that were asked.
    nth: u64,
    /// Whether the process may have questions about it.
    may_ask: bool,
}

/// Where somebody hears what is said to them.
#[derive(Debug)]
pub(super) struct Ear {
    said: mpsc::UnboundedReceiver<Said>,
    queued: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct Mouth {
    said: mpsc::UnboundedSender<Said>,
    queued: Arc<AtomicUsize>,
}

/// A message, for one of those who wait.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: Bytes,
    pub(super) what: What,
}

/// What it is to whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something before the answer.
    Notice,
    Result,
    Error(i64),
    /// An error of ours, as there will be no answer.
    Ended,
}

/// What is to be said back at once, if anything is.
pub(super) type Back = Option<Bytes>;

/// How much may wait for somebody who does not listen, in bytes and, where nobody is there yet, in messages.
const MOST_QUEUED: usize = 32 * 1024 * 1024;
const MOST_KEPT: usize = 64;

impl Board {
    /// For a process that belongs to one client, or answers everybody.
    pub(super) fn new(backend: Arc<str>, is_ones: bool) -> Self {
        let state = State {
            waiting: HashMap::new(),
            listener: None,
            kept: VecDeque::new(),
            asked: 0,
            used: Instant::now(),
            over: false,
        };
        Self { backend, is_ones, state: Mutex::new(state) }
    }

    /// Waits for the answer to a request that is about to be sent; `None` where there will be none, or where another
    /// request of this id is on its way.
    pub(super) fn wait(&self, id: &str, method: &str) -> Option<Ear> {
        let mut state = self.lock();
        if state.over || state.waiting.contains_key(id) {
            return None;
        }
        let (mouth, ear) = mouth();
        state.asked += 1;
        state.used = Instant::now();
        let may_ask = ["tools/call", "prompts/get", "resources/read"].contains(&method);
        let waiting = Waiting { mouth, nth: state.asked, may_ask };
        state.waiting.insert(id.to_owned(), waiting);
        Some(ear)
    }

    /// Nobody waits for it any more; whether somebody did.
    pub(super) fn leave(&self, id: &str) -> bool {
        let mut state = self.lock();
        state.used = Instant::now();
        state.waiting.remove(id).is_some()
    }

    /// Hears what answers nothing, in place of whoever did before.
    pub(super) fn listen(&self) -> Option<Ear> {
        let mut state = self.lock();
        if state.over {
            return None;
        }
        let (mouth, ear) = mouth();
        state.used = Instant::now();
        for text in std::mem::take(&mut state.kept) {
            mouth.say(Said { text, what: What::Notice });
        }
        state.listener = Some(mouth);
        Some(ear)
    }

    /// Whether nothing is said any more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Since when nobody waits or listens.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        let listened = state.listener.as_ref().is_some_and(|mouth| !mouth.said.is_closed());
        (state.waiting.is_empty() && !listened).then_some(state.used)
    }

    /// Takes a line that the process said.
    pub(super) fn hear(&self, text: Bytes) -> Back {
        let Some(about) = About::read(&text) else {
            tracing::warn!(backend = &*self.backend, "said something that is no message");
            return None;
        };
        let mut state = self.lock();
        state.used = Instant::now();
        match (&about.method, &about.id) {
            (None, Some(id)) => {
                match state.waiting.remove(id) {
                    Some(waiting) => {
                        let what = about.code.map_or(What::Result, What::Error);
                        waiting.mouth.say(Said { text, what });
                    }
                    None => tracing::debug!(backend = &*self.backend, "answered what nobody waits for"),
                }
                None
            }
            (Some(method), Some(id)) if method == "ping" => {
                Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#).into())
            }
            (Some(method), Some(id)) => {
                if self.is_ones && state.ask(&text) {
                    return None;
                }
                tracing::warn!(backend = &*self.backend, method, "asked something that nobody can be asked");
                // Without sessions there are no such questions, and no answers to them.
                self.is_ones.then(|| nobody_is_there(id))
            }
            (Some(method), None) => {
                self.notified(&mut state, method, &about, text);
                None
            }
            (None, None) => None,
        }
    }

    /// It says nothing any more: whoever waits is told so.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.over = true;
        state.listener = None;
        for (id, waiting) in state.waiting.drain() {
            let error = r#"{"code":-32000,"message":"the program ended before it answered"}"#;
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into();
            waiting.mouth.say(Said { text, what: What::Ended });
        }
    }

    fn notified(&self, state: &mut State, method: &str, about: &About, text: Bytes) {
        let message = |text| Said { text, what: What::Notice };
        if let Some(id) = about.subscription.as_ref().or(about.token.as_ref()) {
            let left = match state.waiting.get(id) {
                Some(waiting) => !waiting.mouth.say(message(text)),
                None => false,
            };
            if left {
                tracing::warn!(backend = &*self.backend, "one who does not listen is left out from now on");
                state.waiting.remove(id);
            }
            return;
        }
        match method {
            // The end of a subscription, which has no other.
            "notifications/cancelled" if !self.is_ones => {
                if let Some(id) = &about.cancels {
                    state.waiting.remove(id);
                }
            }
            // Whose it is cannot be told.
            _ if !self.is_ones => {
                tracing::debug!(backend = &*self.backend, method, "tells nobody in particular")
            }
            "notifications/message" | "notifications/cancelled" => {
                if !state.ask(&text) {
                    state.tell(text);
                }
            }
            _ => state.tell(text),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Says it to whoever it is about, most likely: the request that was sent last, or whoever listens.
    fn ask(&self, text: &Bytes) -> bool {
        let may = self.waiting.values().filter(|waiting| waiting.may_ask);
        let latest = may.max_by_key(|waiting| waiting.nth).map(|waiting| &waiting.mouth);
        let heard = |mouth: &Mouth| mouth.say(Said { text: text.clone(), what: What::Notice });
        latest.is_some_and(heard) || self.listener.as_ref().is_some_and(heard)
    }

    fn tell(&mut self, text: Bytes) {
        let said = Said { text: text.clone(), what: What::Notice };
        if self.listener.as_ref().is_some_and(|mouth| mouth.say(said)) {
            return;
        }
        self.listener = None;
        if self.kept.len() >= MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(text);
    }
}

impl What {
    pub(super) fn is_last(self) -> bool {
        self != Self::Notice
    }
}

impl Mouth {
    /// Whether it is heard.
    fn say(&self, said: Said) -> bool {
        let length = said.text.len();
        let queued = self.queued.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        // An answer may be as large as it likes: nothing comes after it.
        (said.what.is_last() || queued <= MOST_QUEUED) && self.said.send(said).is_ok()
    }
}

impl Ear {
    /// The next message; `None` where there are no more.
    pub(super) async fn hear(&mut self) -> Option<Said> {
        let said = self.said.recv().await?;
        self.queued.fetch_sub(said.text.len(), Ordering::Relaxed);
        Some(said)
    }
}

fn mouth() -> (Mouth, Ear) {
    let (mouth, ear) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    (Mouth { said: mouth, queued: queued.clone() }, Ear { said: ear, queued })
}

fn nobody_is_there(id: &str) -> Bytes {
    let error = r#"{"code":-32603,"message":"nobody is there who could be asked"}"#;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
}
