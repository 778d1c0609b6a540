//! Redis servers as processes of their own, which end with the test.

use crate::store::{
    Store,
    contract::{Subject, seal},
    redis::{Address, Deployment, Patience, Redis, Settings},
};
use countersign_tests::redis as process;
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tempfile::{TempDir, tempdir};

/// One server. It is killed, by its id, when this is dropped.
pub(crate) struct Server {
    process: process::Redis,
    folder: TempDir,
}

/// Waits for as long as a busy machine takes.
pub(super) const PATIENCE: Patience =
    Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(5) };

impl Server {
    /// A Redis that has written to disk what it acknowledges, and has these settings besides.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::started(&[&process::DURABLE, settings].concat(), tempdir().unwrap()).await
    }

    /// A sentinel. It keeps what it learns in the file of its settings.
    pub(super) async fn start_sentinel(settings: &str) -> Self {
        let folder = tempdir().unwrap();
        std::fs::write(folder.path().join("redis.conf"), settings).unwrap();
        Self::started(&["--sentinel"], folder).await
    }

    pub(crate) const fn port(&self) -> u16 {
        self.process.port()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn address(&self) -> Address {
        address(self.port())
    }

    pub(crate) fn settings(&self) -> Settings {
        patient(Deployment::Standalone(self.address()))
    }

    /// For what only Redis itself can be asked.
    pub(super) async fn directly(&self) -> MultiplexedConnection {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port())).unwrap();
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    /// SIGKILL; it is gone afterwards.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// It is there, and does nothing any more.
    pub(super) async fn hang(&self) {
        self.process.hang().await;
    }

    /// Starts it again where it was, with what is on its disk.
    pub(crate) async fn restart(&mut self) {
        self.process.restart().await;
    }

    async fn started(arguments: &[&str], folder: TempDir) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { process: process::Redis::start(folder.path(), arguments).await, folder }
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
