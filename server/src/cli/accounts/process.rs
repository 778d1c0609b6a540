//! A gateway as a process of its own, made of this test program.

use crate::{cli::gateway::Gateway, config};
use std::{
    env,
    future::pending,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Names the configuration, and makes this test program a gateway.
const CONFIG: &str = "COUNTERSIGN_TEST_GATEWAY";
const SAYS: &str = "listening on ";

/// It is killed, by its id, when this is dropped.
pub(super) struct Process {
    pub(super) endpoint: String,
    child: Child,
}

impl Process {
    pub(super) async fn start(config: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "cli::accounts::process::gateway", "--nocapture"])
            .env(CONFIG, config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = output.next_line().await.unwrap() {
            if let Some((_, endpoint)) = line.split_once(SAYS) {
                return Self { endpoint: endpoint.to_owned(), child };
            }
        }
        panic!("the gateway ended without a word");
    }

    /// SIGKILL; it is gone afterwards.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Not a test by itself: the gateway that other tests start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway() {
    let Some(path) = env::var_os(CONFIG) else { return };
    let (config, _) = config::load(&PathBuf::from(path)).unwrap();
    let gateway = Gateway::bind(config).await.unwrap();
    println!("{SAYS}{}", gateway.endpoint());
    gateway.serve(pending()).await.unwrap();
}
