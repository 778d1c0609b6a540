//! A counterpart that runs as a process of its own, and ends with the test.

use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A child process that is killed, by its id, when this is dropped.
#[derive(Debug)]
pub struct Counterpart {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Counterpart {
    /// Starts `command`; its standard error goes to the test's.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        Self { child, output }
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
}
