//! Debian's Redis as a process of its own, which can be killed and started again where it was.

use crate::peers;
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Settings with which what it acknowledged is on its disk.
pub const DURABLE: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];

/// One server, or one sentinel. It is killed, by its id, when this is dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts it with these arguments, in which `{port}` stands for its port; what it keeps is in `folder`. A file
    /// `redis.conf` there has more of its settings, and it may write there what it learns.
    pub async fn start(folder: &Path, arguments: Vec<String>) -> Self {
        let mut redis = Self { port: 0, folder: folder.to_owned(), arguments, child: None };
        // A port that is free now may be taken in a moment.
        for _ in 0..20 {
            redis.port = free_port();
            redis.child = redis.spawned().await;
            if redis.child.is_some() {
                return redis;
            }
        }
        panic!("{:?} does not start", redis.arguments);
    }

    /// Where it listens on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL; it is gone afterwards.
    pub async fn kill(&mut self) {
        self.child.take().expect("it runs").kill().await.expect("it can be killed");
    }

    /// It is there, and does nothing any more.
    pub async fn hang(&self) {
        let process = self.child.as_ref().and_then(Child::id).expect("it runs");
        let told = Command::new("kill").args(["-STOP", &process.to_string()]).status().await;
        assert!(told.expect("there is a `kill`").success());
    }

    /// Starts it again where it was, with what is on its disk.
    pub async fn restart(&mut self) {
        let child = self.spawned().await;
        assert!(child.is_some(), "port {} is taken meanwhile", self.port);
        self.child = child;
    }

    async fn spawned(&self) -> Option<Child> {
        let mut command = Command::new(peers::redis_server());
        let settings = self.folder.join("redis.conf");
        if settings.exists() {
            command.arg(settings);
        }
        let mut child = command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.folder)
            .args(self.arguments.iter().map(|argument| argument.replace("{port}", &self.port.to_string())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        while let Some(line) = output.next_line().await.expect("its output is text") {
            if line.contains("Ready to accept connections") || line.contains("Sentinel ID is") {
                // Redis does not mind that nobody reads on.
                return Some(child);
            }
        }
        child.wait().await.expect("it ends");
        None
    }
}

/// Below the ports that the system gives to clients, so that a killed server finds its own again.
pub fn free_port() -> u16 {
    let random = RandomState::new();
    (0_u64..)
        .filter_map(|turn| u16::try_from(20_000 + random.hash_one(turn) % 12_000).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}
