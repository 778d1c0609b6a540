//! A counterpart that runs as a process of its own, and ends with the test.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::watch,
};

/// A child process that is killed, by its id, when this is dropped.
#[derive(Debug)]
pub struct Counterpart {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: Log,
}

/// What a process says on its standard error.
#[derive(Clone, Debug)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Counterpart {
    /// Starts `command`; what it says on standard error goes to the test's, too.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let log = Log::of(child.stderr.take().expect("its errors are piped"));
        Self { child, output, log }
    }

    /// The rest of the first line of output that contains `mark`, after the mark.
    pub async fn wait_for(&mut self, mark: &str) -> String {
        let mut seen = String::new();
        while let Some(line) = self.output.next_line().await.expect("its output is text") {
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("{:?} ended without saying {mark:?}; it said:\n{seen}", self.child);
    }

    /// What it says on standard error.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Ends it without a warning (SIGKILL), and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&mut self) {
        self.child.wait().await.expect("it ends");
    }

    /// Asks it to end, as a supervisor does, and waits until it has.
    pub async fn terminate(&mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.expect("there is a `kill`").success());
        self.child.wait().await.expect("it ends");
    }
}

impl Log {
    #[allow(clippy::disallowed_methods, reason = "it reads for as long as the process speaks")]
    fn of(errors: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (counted, count) = watch::channel(0);
        let log = Self { lines: Arc::default(), count };
        let lines = log.lines.clone();
        tokio::spawn(async move {
            let mut errors = BufReader::new(errors).lines();
            while let Ok(Some(line)) = errors.next_line().await {
                eprintln!("{line}");
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                counted.send_modify(|count| *count += 1);
            }
        });
        log
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rest of every line so far that contains `mark`, after the mark; at least `least` of them.
    pub async fn wait_for(&self, mark: &str, least: usize) -> Vec<String> {
        let mut count = self.count.clone();
        loop {
            count.borrow_and_update();
            let lines = self.lines();
            let rest = lines.iter().filter_map(|line| Some(line.split_once(mark)?.1.trim().to_owned()));
            let rest: Vec<_> = rest.collect();
            if rest.len() >= least {
                return rest;
            }
            assert!(count.changed().await.is_ok(), "it ended, and had said {mark:?} {} times", rest.len());
        }
    }
}
