//! Three primaries that share the slots.

use super::server::{Server, connected, patient, subject};
use crate::store::{
    Expect, Kind, Notice,
    contract::{CODES, EVENTS, PEOPLE, every_rule, long},
    redis::{Deployment, Redis, Settings},
};
use countersign_tests::redis::free_port;
use std::time::{Duration, Instant};
use tokio::time::sleep;

struct Cluster(Vec<Server>);

const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_the_contract() {
    let cluster = Cluster::start().await;
    let settings = cluster.settings();
    every_rule!(subject(&settings));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_is_found_again() {
    let mut cluster = Cluster::start().await;
    let store = connected(&cluster.settings()).await;
    let mut listener = store.listen::<String>(EVENTS).await.unwrap();
    let index = PEOPLE.index(&["ann"]);
    for number in 0..30 {
        let key = CODES.key(&[&number.to_string()]);
        store.put(&key, &number, &long().under(index.clone()), Expect::Absent).await.unwrap().unwrap();
    }
    // The first node is the one that the listener listens to.
    cluster.0[0].kill().await;
    cluster.0[0].restart().await;
    let killed = Instant::now();
    for number in 0..30 {
        let key = CODES.key(&[&number.to_string()]);
        loop {
            match store.get::<u32>(&key).await {
                Ok(stored) => break assert_eq!(stored.unwrap().value, number),
                Err(error) => {
                    assert!([Kind::Unavailable, Kind::Unknown].contains(&error.kind()), "{error:?}");
                    assert!(killed.elapsed() < Duration::from_secs(40), "{error:?}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    assert_eq!(store.remove_all(&index).await.unwrap(), 30);
    assert_eq!(listener.next().await, Notice::Missed);
    store.publish(EVENTS, &"after").await.unwrap();
    assert_eq!(listener.next().await, Notice::Message("after".to_owned()));
}

#[tokio::test]
async fn an_absent_cluster_is_told() {
    let settings = patient(Deployment::Cluster(vec![super::server::address(free_port())]));
    let error = Redis::connect(&settings).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
}

impl Cluster {
    async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in SLOTS {
            let bus = free_port().to_string();
            let settings =
                ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            nodes.push((Server::start(&settings).await, bus));
        }
        for ((node, _), (first, last)) in nodes.iter().zip(SLOTS) {
            let mut directly = node.directly().await;
            let mut add = redis::cmd("CLUSTER");
            add.arg("ADDSLOTSRANGE").arg(first).arg(last).exec_async(&mut directly).await.unwrap();
        }
        let mut directly = nodes[0].0.directly().await;
        for (node, bus) in &nodes[1..] {
            let mut meet = redis::cmd("CLUSTER");
            meet.arg("MEET").arg("127.0.0.1").arg(node.port()).arg(bus);
            meet.exec_async(&mut directly).await.unwrap();
        }
        let cluster = Self(nodes.into_iter().map(|(node, _)| node).collect());
        for node in &cluster.0 {
            is_whole(node).await;
        }
        cluster
    }

    fn settings(&self) -> Settings {
        patient(Deployment::Cluster(self.0.iter().map(Server::address).collect()))
    }
}

async fn is_whole(node: &Server) {
    let mut directly = node.directly().await;
    let began = Instant::now();
    loop {
        let about: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut directly).await.unwrap();
        if about.contains("cluster_state:ok") && about.contains("cluster_known_nodes:3") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{about}");
        sleep(Duration::from_millis(20)).await;
    }
}
