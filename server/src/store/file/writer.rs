//! The one thread that writes.
//!
//! What arrives while it writes is written together next, and reaches the disk with one flush. Each caller is told only
//! after that.

use super::tables::{Batch, Fault, Snapshot};
use crate::store::{
    error::{Error, Kind},
    ledger::{self, Now, Reading},
};
use countersign::clock::Clock;
use redb::Database;
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// One step that somebody waits for.
pub(super) trait Job: Send {
    /// Does it. A fault undoes the whole batch.
    fn run(&mut self, rows: &mut Batch<'_>, now: Now) -> Result<(), Fault>;

    /// Tells how it ended: with what the step made, once that is on disk.
    fn tell(self: Box<Self>, end: Result<(), Failure>);
}

/// A batch of which nothing, or perhaps something, is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure(Kind);

/// A job around a closure.
pub(super) struct Step<S, T> {
    step: Option<S>,
    outcome: Option<Result<T, Error>>,
    waiting: oneshot::Sender<Result<T, Error>>,
    _place: OwnedSemaphorePermit,
}

const BATCH: usize = 256;
/// How much of what has ended each batch clears away.
const SWEEP: usize = 512;

impl<S, T> Step<S, T>
where
    S: FnOnce(&mut Batch<'_>, Now) -> Result<T, Fault> + Send,
    T: Send,
{
    pub(super) fn new(
        step: S,
        waiting: oneshot::Sender<Result<T, Error>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { step: Some(step), outcome: None, waiting, _place: place }
    }
}

impl<S, T> Job for Step<S, T>
where
    S: FnOnce(&mut Batch<'_>, Now) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, rows: &mut Batch<'_>, now: Now) -> Result<(), Fault> {
        let Some(step) = self.step.take() else { return Ok(()) };
        self.outcome = Some(match step(rows, now) {
            Ok(made) => Ok(made),
            // It has looked, and not written yet.
            Err(Fault::Damaged(damaged)) => Err(Error::unreadable().because(damaged)),
            Err(storage) => return Err(storage),
        });
        Ok(())
    }

    fn tell(self: Box<Self>, end: Result<(), Failure>) {
        let outcome = match (end, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Failure(Kind::Unavailable).error()),
            (Err(failure), _) => Err(failure.error()),
        };
        // Nobody waiting any more is nothing wrong.
        let _ = self.waiting.send(outcome);
    }
}

impl Failure {
    fn error(self) -> Error {
        Error::new(
            self.0,
            "the store's file could not be written; the log says why, and the server has to be restarted",
        )
    }
}

/// Works until nobody can send jobs any more. When there are none, it looks after each `pause` for what has ended.
pub(super) fn work(database: &Database, clock: &dyn Clock, jobs: &Receiver<Box<dyn Job>>, pause: Duration) {
    loop {
        let mut batch = Vec::new();
        match jobs.recv_timeout(pause) {
            Ok(first) => {
                batch.push(first);
                batch.extend(jobs.try_iter().take(BATCH - 1));
            }
            Err(RecvTimeoutError::Timeout) if has_ended(database, clock) => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let end = written(database, clock, &mut batch);
        for job in batch {
            job.tell(end);
        }
    }
}

fn written(database: &Database, clock: &dyn Clock, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let nothing_written = |fault| {
        tracing::error!(?fault, "the store's file cannot be written");
        Failure(Kind::Unavailable)
    };
    // Its commits are durable when they return: that is redb's default.
    let transaction = database.begin_write().map_err(|error| nothing_written(error.into()))?;
    let run = |batch: &mut [Box<dyn Job>]| {
        let mut rows = Batch::of(&transaction)?;
        ledger::sweep(&mut rows, Now::at(clock.now()), SWEEP)?;
        batch.iter_mut().try_for_each(|job| job.run(&mut rows, Now::at(clock.now())))
    };
    run(batch).map_err(nothing_written)?;
    transaction.commit().map_err(|error| {
        tracing::error!(%error, "the store's file was perhaps not written");
        Failure(Kind::Unknown)
    })
}

fn has_ended(database: &Database, clock: &dyn Clock) -> bool {
    let now = Now::at(clock.now()).millis();
    let ended = Snapshot::of(database).and_then(|rows| rows.ended(now, 1));
    ended.is_ok_and(|ended| !ended.is_empty())
}
