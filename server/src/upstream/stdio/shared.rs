//! The one process that answers everybody, if the program is one that keeps no sessions.

use super::{
    answer::Waiting,
    backoff::Unavailable,
    board::What,
    bridge::Programs,
    process::{Ended, Process},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// What is known of it.
#[derive(Debug)]
pub(super) struct Shared(watch::Sender<State>);

#[derive(Clone, Debug)]
enum State {
    /// It does not run; what went wrong, if anything did.
    Off(Option<Unavailable>),
    Starting,
    On(Arc<Process>),
    /// The program keeps sessions, so there is none.
    WithSessions,
}

/// What there is to speak to.
#[derive(Debug)]
pub(super) enum Found {
    Process(Arc<Process>),
    /// Whoever wants something has to open a session.
    WithSessions,
}

/// How long a program may take before it answers for the first time without being greeted, and how long altogether.
const TO_BEGIN: Duration = Duration::from_secs(10);
const AT_MOST: Duration = Duration::from_secs(60);

const DISCOVER: (&str, &str) = (
    r#""countersign-discover""#,
    concat!(
        r#"{"jsonrpc":"2.0","id":"countersign-discover","method":"server/discover","params":{"_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{},"#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"countersign","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}}}}"#
    ),
);
const INITIALIZE: (&str, &str) = (
    r#""countersign-initialize""#,
    concat!(
        r#"{"jsonrpc":"2.0","id":"countersign-initialize","method":"initialize","params":{"#,
        r#""protocolVersion":"2025-11-25","capabilities":{},"#,
        r#""clientInfo":{"name":"countersign","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""}}}"#
    ),
);
/// Which errors only a program has that keeps no sessions.
const MODERN: [i64; 3] = [-32020, -32021, -32022];

/// How a program answered a question of ours.
#[derive(Debug)]
enum Answered {
    Result,
    Error(i64),
    NotInTime,
    /// It has ended.
    Never,
}

impl Default for Shared {
    fn default() -> Self {
        Self(watch::Sender::new(State::Off(None)))
    }
}

impl Shared {
    /// The process, started if it does not run. However short the caller's patience is, it goes on starting.
    pub(super) async fn find(&self, programs: &Arc<Programs>) -> Result<Found, Unavailable> {
        loop {
            let mut known = self.0.subscribe();
            let state = known.borrow_and_update().clone();
            match state {
                State::On(process) if process.is_over() => {
                    self.has_ended(&process);
                    continue;
                }
                State::On(process) => return Ok(Found::Process(process)),
                // Whether it is still so is found out by whoever opens a session.
                State::WithSessions => return programs.backoff.pass().await.map(|()| Found::WithSessions),
                State::Starting => {}
                State::Off(_) => {
                    programs.backoff.pass().await?;
                    if self.begins() {
                        let starting = programs.clone();
                        programs.do_beside(async move { starting.shared.start(&starting).await })?;
                    }
                }
            }
            if known.wait_for(|state| !matches!(state, State::Starting)).await.is_err() {
                return Err(Unavailable::now("is not there any more"));
            }
            if let State::Off(Some(why)) = &*known.borrow() {
                return Err(why.clone());
            }
        }
    }

    /// The program may be another than it was.
    pub(super) fn forget(&self) {
        self.0.send_if_modified(|state| {
            let known = matches!(state, State::WithSessions);
            if known {
                *state = State::Off(None);
            }
            known
        });
    }

    /// Whether it is the caller who starts it.
    fn begins(&self) -> bool {
        self.0.send_if_modified(|state| {
            let is_off = matches!(state, State::Off(_));
            if is_off {
                *state = State::Starting;
            }
            is_off
        })
    }

    async fn start(&self, programs: &Arc<Programs>) {
        let backend = programs.name();
        self.0.send_replace(match self.found(programs).await {
            // It may have ended meanwhile, which is seen by whoever finds it.
            Ok(Found::Process(process)) => {
                tracing::info!(backend, "runs once for everybody, as it keeps no sessions");
                State::On(process)
            }
            Ok(Found::WithSessions) => {
                tracing::info!(backend, "runs once for each session");
                State::WithSessions
            }
            Err(why) => State::Off(Some(why)),
        });
    }

    /// Starts it, and finds out what it is.
    async fn found(&self, programs: &Arc<Programs>) -> Result<Found, Unavailable> {
        let process = self.process(programs)?;
        let mut discovering = Asked::on(&process, DISCOVER);
        let answered = discovering.answer(TO_BEGIN).await;
        if answered.is_modern() {
            return Ok(Found::Process(process));
        }
        let verdict = match answered {
            Answered::Result | Answered::Error(_) => Ok(Found::WithSessions),
            Answered::NotInTime => {
                // It is slow, or says nothing of what it does not know: what it answers first tells which.
                let mut greeting = Asked::on(&process, INITIALIZE);
                let first = tokio::select! {
                    biased;
                    answered = discovering.answer(AT_MOST) => answered,
                    greeted = greeting.answer(AT_MOST) => greeted.of_greeting(),
                };
                self.judged(first, programs)
            }
            Answered::Never => {
                // Some end where they are spoken to without being greeted, and some cannot run at all.
                programs.backoff.pass().await?;
                let other = self.process(programs)?;
                let greeted = Asked::on(&other, INITIALIZE).answer(AT_MOST).await;
                other.end();
                self.judged(greeted.of_greeting(), programs)
            }
        };
        process.end();
        verdict
    }

    fn judged(&self, answered: Answered, programs: &Arc<Programs>) -> Result<Found, Unavailable> {
        match answered {
            // It has been greeted meanwhile, so another one has to answer everybody.
            answered if answered.is_modern() => self.process(programs).map(Found::Process),
            Answered::Result | Answered::Error(_) => Ok(Found::WithSessions),
            Answered::NotInTime => Err(programs.failed("does not answer", Duration::ZERO)),
            // Whoever keeps it has counted that already.
            Answered::Never => Err(Unavailable::now("ended")),
        }
    }

    fn process(&self, programs: &Arc<Programs>) -> Result<Arc<Process>, Unavailable> {
        let ended = programs.clone();
        programs.start(None, move |process: &Arc<Process>, end: &Ended| {
            ended.shared.has_ended(process);
            if !end.told {
                ended.failed("ended", end.after);
            }
        })
    }

    /// From now on, another has to be started.
    fn has_ended(&self, process: &Arc<Process>) {
        self.0.send_if_modified(|state| {
            let was_this = matches!(state, State::On(known) if Arc::ptr_eq(known, process));
            if was_this {
                *state = State::Off(None);
            }
            was_this
        });
    }
}

impl Answered {
    /// Whether only a program says so that keeps no sessions.
    fn is_modern(&self) -> bool {
        match self {
            Self::Result => true,
            Self::Error(code) => MODERN.contains(code),
            Self::NotInTime | Self::Never => false,
        }
    }

    /// The same of `initialize`, which is a result where sessions are kept.
    fn of_greeting(self) -> Self {
        if let Self::Result = self { Self::Error(0) } else { self }
    }
}

/// A question of ours, which waits to be answered; `None` where nobody reads it.
struct Asked(Option<Waiting>);

impl Asked {
    fn on(process: &Arc<Process>, (id, message): (&str, &str)) -> Self {
        Self(Waiting::on(process, id, "", message.as_bytes()))
    }

    async fn answer(&mut self, patience: Duration) -> Answered {
        let Some(waiting) = &mut self.0 else { return Answered::Never };
        let answer = async {
            loop {
                match waiting.hear().await.map(|said| said.what) {
                    Some(What::Notice) => {}
                    Some(What::Result) => return Answered::Result,
                    Some(What::Error(code)) => return Answered::Error(code),
                    Some(What::Ended) | None => return Answered::Never,
                }
            }
        };
        timeout(patience, answer).await.unwrap_or(Answered::NotInTime)
    }
}
