//! Redis servers as processes of their own, which end with the test.

use crate::store::{
    Store,
    contract::{Subject, seal},
    redis::{Address, Deployment, Patience, Redis, Settings},
};
use countersign_tests::peers;
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// One server. It is killed, by its id, when this is dropped.
pub(crate) struct Server {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// Waits for as long as a busy machine takes.
pub(super) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(5) };

impl Server {
    /// A Redis that has written to disk what it acknowledges, and has these settings besides.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
        Self::started(durable.iter().chain(settings).map(ToString::to_string).collect(), None).await
    }

    /// A sentinel. It keeps what it learns in the file of its settings.
    pub(super) async fn start_sentinel(settings: &str) -> Self {
        Self::started(vec!["--sentinel".to_owned()], Some(settings)).await
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn address(&self) -> Address {
        address(self.port)
    }

    pub(crate) fn settings(&self) -> Settings {
        patient(Deployment::Standalone(self.address()))
    }

    /// For what only Redis itself can be asked.
    pub(super) async fn directly(&self) -> MultiplexedConnection {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    /// SIGKILL; it is gone afterwards.
    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// It is there, and does nothing any more.
    pub(super) async fn hang(&self) {
        let process = self.child.as_ref().and_then(Child::id).unwrap();
        let told = Command::new("kill").args(["-STOP", &process.to_string()]).status().await.unwrap();
        assert!(told.success());
    }

    /// Starts it again where it was, with what is on its disk.
    pub(crate) async fn restart(&mut self) {
        let child = self.spawned().await;
        assert!(child.is_some(), "port {} is taken meanwhile", self.port);
        self.child = child;
    }

    async fn started(arguments: Vec<String>, file: Option<&str>) -> Self {
        let mut server = Self { port: 0, folder: tempdir().unwrap(), arguments, child: None };
        // A port that is free now may be taken in a moment.
        for _ in 0..20 {
            server.port = free_port();
            if let Some(text) = file {
                std::fs::write(server.file(), text).unwrap();
            }
            server.child = server.spawned().await;
            if server.child.is_some() {
                return server;
            }
        }
        panic!("{:?} does not start", server.arguments);
    }

    async fn spawned(&self) -> Option<Child> {
        let mut command = Command::new(peers::redis_server());
        if self.file().exists() {
            command.arg(self.file());
        }
        let mut child = command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(self.folder.path())
            .args(self.arguments.iter().map(|argument| argument.replace("{port}", &self.port.to_string())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = output.next_line().await.unwrap() {
            if line.contains("Ready to accept connections") || line.contains("Sentinel ID is") {
                // Redis does not mind that nobody reads on.
                return Some(child);
            }
        }
        child.wait().await.unwrap();
        None
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sentinel.conf")
    }
}

/// A fresh store on these servers, which two connections lead to.
pub(super) async fn subject(settings: &Settings) -> Subject {
    static STORES: AtomicU64 = AtomicU64::new(0);
    let mut settings = settings.clone();
    settings.prefix = format!("test-{}", STORES.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
    Subject::shared(connected(&settings).await, connected(&settings).await, ())
}

pub(crate) async fn connected(settings: &Settings) -> Store {
    Store::in_redis(Redis::connect(settings).await.unwrap(), seal())
}

pub(super) fn patient(deployment: Deployment) -> Settings {
    let mut settings = Settings::new(deployment);
    settings.patience = PATIENCE;
    settings
}

pub(super) fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().unwrap()
}

/// Below the ports that the system gives to clients, so that a killed server finds its own again.
pub(super) fn free_port() -> u16 {
    let random = RandomState::new();
    (0_u64..)
        .map(|turn| 20_000 + u16::try_from(random.hash_one(turn) % 12_000).unwrap())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap()
}
