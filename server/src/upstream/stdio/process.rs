//! One process of a program, from its start to its end.

use super::{
    board::{Board, Ear},
    log,
    message::as_line,
};
use crate::config::program::Program;
use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt,
    future::{Fuse, FusedFuture, join},
};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// A process, for whoever speaks to it. It runs while its [`Keeper`] keeps it.
#[derive(Debug)]
pub(super) struct Process {
    board: Arc<Board>,
    lines: mpsc::UnboundedSender<Bytes>,
    queued: Arc<AtomicUsize>,
    told: watch::Sender<bool>,
}

/// What reads and writes, and sees to it that nothing is left of a process when it is over.
pub(super) struct Keeper {
    child: Child,
    group: Option<Pid>,
    board: Arc<Board>,
    backend: Arc<str>,
    lines: mpsc::UnboundedReceiver<Bytes>,
    back: mpsc::WeakUnboundedSender<Bytes>,
    queued: Arc<AtomicUsize>,
    told: watch::Receiver<bool>,
    all_told: watch::Receiver<bool>,
    idle: Option<Duration>,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether that was wanted.
    pub(super) told: bool,
    pub(super) status: Option<ExitStatus>,
    pub(super) after: Duration,
}

/// How long a process may take to end after its input has, and after it was asked to.
const TO_FINISH: Duration = Duration::from_secs(2);
const TO_TERMINATE: Duration = Duration::from_secs(3);
/// What it had said before it ended is there already, unless something else holds its pipes.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a line may be, and how much may wait for a process that does not read.
const LONGEST: usize = 32 * 1024 * 1024;
const MOST_QUEUED: usize = 64 * 1024 * 1024;

impl Process {
    /// Starts `program`, for one client or for all. One that is one client's ends when that is `idle` for as long, and
    /// all of them end when `all_told` says so.
    pub(super) fn start(
        program: &Program,
        backend: &Arc<str>,
        idle: Option<Duration>,
        all_told: watch::Receiver<bool>,
    ) -> io::Result<(Self, Keeper)> {
        let mut command = Command::new(&program.path);
        command.args(&program.args).env_clear();
        command.envs(program.env.iter().map(|(name, value)| (name, value.expose_secret())));
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: what it starts itself ends with it, and Ctrl-C is for this server to hear.
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let board = Arc::new(Board::new(backend.clone(), idle.is_some()));
        let (lines, written) = mpsc::unbounded_channel();
        let (told, to_end) = watch::channel(false);
        let queued = Arc::new(AtomicUsize::new(0));
        let keeper = Keeper {
            child,
            group,
            board: board.clone(),
            backend: backend.clone(),
            lines: written,
            back: lines.downgrade(),
            queued: queued.clone(),
            told: to_end,
            all_told,
            idle,
        };
        Ok((Self { board, lines, queued, told }, keeper))
    }

    /// Sends a message; `None` where nobody reads it.
    pub(super) fn say(&self, message: &[u8]) -> Option<()> {
        let line = as_line(message);
        let length = line.len();
        let queued = self.queued.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        if queued <= MOST_QUEUED && self.lines.send(line).is_ok() {
            return Some(());
        }
        self.queued.fetch_sub(length, Ordering::Relaxed);
        None
    }

    /// Sends a request, and hears what comes of it; `None` where nobody reads it.
    pub(super) fn ask(&self, id: &str, method: &str, message: &[u8]) -> Option<Ear> {
        let ear = self.board.wait(id, method)?;
        if self.say(message).is_none() {
            self.board.leave(id);
            return None;
        }
        Some(ear)
    }

    /// Nobody waits for the answer to this request any more; whether somebody did.
    pub(super) fn leave(&self, id: &str) -> bool {
        self.board.leave(id)
    }

    /// Hears what answers nothing.
    pub(super) fn listen(&self) -> Option<Ear> {
        self.board.listen()
    }

    /// Whether it says nothing any more.
    pub(super) fn is_over(&self) -> bool {
        self.board.is_over()
    }

    /// Since when nobody uses it.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.board.idle_since()
    }

    /// Lets it end.
    pub(super) fn end(&self) {
        self.told.send_replace(true);
    }
}

impl Keeper {
    /// Does everything that there is to do until the process has ended, and says how.
    pub(super) async fn keep(mut self) -> Ended {
        let started = Instant::now();
        let (input, output, errors) =
            (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let writing = write(input, self.lines, self.queued);
        let mut writing = Box::pin(writing.fuse());
        let mut reading = pin!(read(output, &self.board, &self.back, &self.backend).fuse());
        let mut logging = pin!(
            async {
                if let Some(errors) = errors {
                    log::pass_on(errors, &self.backend).await;
                }
            }
            .fuse()
        );
        let idle = idle(&self.board, self.idle);
        let (told, mut status) = {
            let mut idle = pin!(idle.fuse());
            let mut to_end = pin!(self.told.wait_for(|told| *told).fuse());
            let mut all_to_end = pin!(self.all_told.wait_for(|told| *told).fuse());
            loop {
                tokio::select! {
                    status = self.child.wait() => break (false, status.ok()),
                    _ = &mut to_end => break (true, None),
                    _ = &mut all_to_end => break (true, None),
                    () = &mut idle => break (true, None),
                    // It says nothing more, which is how a program ends a conversation.
                    () = &mut reading => break (false, None),
                    () = &mut writing => {}
                    () = &mut logging => {}
                }
            }
        };
        // Its input ends here.
        drop(writing);
        let ways =
            [(None, TO_FINISH), (Some(Signal::TERM), TO_TERMINATE), (Some(Signal::KILL), TO_TERMINATE)];
        for (signal, patience) in ways {
            if status.is_some() {
                break;
            }
            if let (Some(signal), Some(group)) = (signal, self.group) {
                tracing::info!(backend = &*self.backend, ?signal, "does not end by itself");
                // It may have ended just now.
                let _ = kill_process_group(group, signal);
            }
            status = within(patience, self.child.wait(), reading.as_mut(), logging.as_mut()).await;
        }
        if let Some(group) = self.group {
            // What it had started, and left.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let last_words = join(to_the_end(reading), to_the_end(logging));
        if timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::debug!(backend = &*self.backend, "somebody else holds its pipes");
        }
        self.board.close();
        Ended { told, status, after: started.elapsed() }
    }
}

/// How it ended, while somebody listens to it: whoever is not heard may never end.
async fn within(
    patience: Duration,
    ended: impl Future<Output = io::Result<ExitStatus>>,
    mut reading: Pin<&mut Fuse<impl Future<Output = ()>>>,
    mut logging: Pin<&mut Fuse<impl Future<Output = ()>>>,
) -> Option<ExitStatus> {
    let mut ended = pin!(ended);
    let mut out_of_patience = pin!(tokio::time::sleep(patience));
    loop {
        tokio::select! {
            status = &mut ended => return status.ok(),
            () = &mut out_of_patience => return None,
            () = &mut reading => {}
            () = &mut logging => {}
        }
    }
}

/// What has come to its end never says so again.
async fn to_the_end(work: Pin<&mut Fuse<impl Future<Output = ()>>>) {
    if !work.is_terminated() {
        work.await;
    }
}

/// Waits until nobody has used it for as long.
async fn idle(board: &Board, patience: Option<Duration>) {
    let Some(patience) = patience else { return std::future::pending().await };
    loop {
        let until = board.idle_since().unwrap_or_else(Instant::now) + patience;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

async fn write(
    input: Option<ChildStdin>,
    mut lines: mpsc::UnboundedReceiver<Bytes>,
    queued: Arc<AtomicUsize>,
) {
    let Some(mut input) = input else { return };
    while let Some(line) = lines.recv().await {
        let written = input.write_all(&line).await;
        queued.fetch_sub(line.len(), Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}

/// Hands every line on, until there are no more.
async fn read(
    output: Option<ChildStdout>,
    board: &Board,
    back: &mpsc::WeakUnboundedSender<Bytes>,
    backend: &str,
) {
    let Some(mut output) = output else { return };
    let (mut buffer, mut searched) = (BytesMut::with_capacity(64 * 1024), 0);
    loop {
        while let Some(end) = buffer.iter().skip(searched).position(|byte| *byte == b'\n') {
            let line = buffer.split_to(searched + end + 1).freeze();
            searched = 0;
            let line = line.slice(..line.trim_ascii_end().len());
            if line.is_empty() {
                continue;
            }
            if let Some(answer) = board.hear(line)
                && let Some(back) = back.upgrade()
            {
                // Where it does not read any more, it does not miss this either.
                let _ = back.send(as_line(&answer));
            }
        }
        searched = buffer.len();
        if searched > LONGEST {
            tracing::warn!(
                backend,
                "said a line that is longer than 32 MiB, so it is not listened to any more"
            );
            return;
        }
        match output.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
