//! A primary, its replica, and three sentinels that watch them.

use super::server::{Server, connected, patient, subject};
use crate::store::{
    Expect, Kind, Notice,
    contract::{CODES, EVENTS, every_rule, long},
    redis::{Deployment, Redis, Settings},
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

struct Trio {
    primary: Server,
    _replica: Server,
    sentinels: Vec<Server>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_redis_keeps_the_contract() {
    // Nothing is to be taken over here, also where a busy machine makes the primary wait.
    let trio = Trio::start(Duration::from_secs(60)).await;
    let settings = trio.settings();
    every_rule!(subject(&settings));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_takes_over() {
    let mut trio = Trio::start(Duration::from_secs(1)).await;
    let store = connected(&trio.settings()).await;
    let mut listener = store.listen::<String>(EVENTS).await.unwrap();
    let (kept, spent) = (CODES.key(&["kept"]), CODES.key(&["spent"]));
    store.put(&kept, &"kept", &long(), Expect::Absent).await.unwrap().unwrap();
    store.put(&spent, &"spent", &long(), Expect::Absent).await.unwrap().unwrap();
    store.take::<String>(&spent).await.unwrap().unwrap();
    let mut directly = trio.primary.directly().await;
    let replicas: u32 = redis::cmd("WAIT").arg(1).arg(10_000).query_async(&mut directly).await.unwrap();
    assert_eq!(replicas, 1);

    trio.primary.kill().await;
    let killed = Instant::now();
    // Sentinels need a while to agree, and nobody says when they do.
    let stored = loop {
        match store.get::<String>(&kept).await {
            Ok(stored) => break stored.unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
                assert!(killed.elapsed() < Duration::from_secs(40), "{error:?}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    };
    println!("another primary after {:?}", killed.elapsed());
    assert_eq!(stored.value, "kept");
    let expect = Expect::Version(stored.version);
    assert!(store.put(&kept, &"written", &long(), expect).await.unwrap().is_some());
    assert_eq!(store.take::<String>(&spent).await.unwrap(), None);
    assert_eq!(listener.next().await, Notice::Missed);
    store.publish(EVENTS, &"after").await.unwrap();
    assert_eq!(listener.next().await, Notice::Message("after".to_owned()));

    // The old one comes back and is told that it is a replica now. Nobody new is led to it.
    trio.primary.restart().await;
    let newcomer = connected(&trio.settings()).await;
    assert_eq!(newcomer.get::<String>(&kept).await.unwrap().unwrap().value, "written");
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_told() {
    let trio = Trio::start(Duration::from_secs(1)).await;
    let mut settings = trio.settings();
    if let Deployment::Sentinel { primary, .. } = &mut settings.deployment {
        *primary = "other".to_owned();
    }
    let error = Redis::connect(&settings).await.unwrap_err();
    assert!(error.to_string().contains("no sentinel knows"), "{error:?}");
}

impl Trio {
    /// The sentinels take the primary for gone when it has been silent for so long.
    async fn start(silence: Duration) -> Self {
        let primary = Server::start(&[]).await;
        let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port().to_string()]).await;
        // A sentinel that starts later than the replica knows it at once.
        let mut directly = primary.directly().await;
        let replicas: u32 = redis::cmd("WAIT").arg(1).arg(10_000).query_async(&mut directly).await.unwrap();
        assert_eq!(replicas, 1);
        let watch = format!(
            "sentinel monitor main 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds main {}\n\
             sentinel failover-timeout main 5000\n",
            primary.port(),
            silence.as_millis()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Server::start_sentinel(&watch).await);
        }
        for sentinel in &sentinels {
            knows_the_others(sentinel).await;
        }
        Self { primary, _replica: replica, sentinels }
    }

    fn settings(&self) -> Settings {
        let sentinels = self.sentinels.iter().map(Server::address).collect();
        patient(Deployment::Sentinel { sentinels, primary: "main".to_owned(), credentials: None })
    }
}

/// They find each other by way of the primary, every two seconds.
async fn knows_the_others(sentinel: &Server) {
    let mut directly = sentinel.directly().await;
    let began = Instant::now();
    loop {
        let about: redis::Value =
            redis::cmd("SENTINEL").arg("SENTINELS").arg("main").query_async(&mut directly).await.unwrap();
        if matches!(about, redis::Value::Array(others) if others.len() == 2) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the sentinels do not find each other");
        sleep(Duration::from_millis(50)).await;
    }
}
