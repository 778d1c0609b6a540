//! Plays a scenario from `scenarios/` through `drive.mjs` and tells what came of it.

use countersign_tests::peers;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::process::Command;
use url::{Host, Url};

/// What happened during one scenario.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What the scenario returned.
    pub(crate) answer: Value,
    /// Errors on the page's console, exceptions included.
    pub(crate) complaints: Vec<String>,
    /// Every address that Chromium opened a connection to, for the page or for itself.
    pub(crate) connections: Vec<String>,
    /// Where the scenario's screenshot is.
    pub(crate) picture: PathBuf,
    requests: Vec<String>,
    lookups: Vec<String>,
}

/// Plays `scenarios/<scenario>.mjs` against `url`.
pub(crate) async fn visit(scenario: &str, url: &str) -> Visit {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = here.join("output/browser");
    fs::create_dir_all(&pictures).expect("the checkout is writable");
    let picture = pictures.join(scenario).with_extension("png");
    let _ = fs::remove_file(&picture);

    let output = Command::new(peers::node())
        .arg(here.join("browser/drive.mjs"))
        .arg(here.join("browser/scenarios").join(scenario).with_extension("mjs"))
        .arg(url)
        .arg(&picture)
        .env("COUNTERSIGN_NPM", peers::npm())
        .env("COUNTERSIGN_CHROMIUM", peers::chromium())
        .kill_on_drop(true)
        .output()
        .await
        .expect("Node.js starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario} did not play to its end:\n{complaint}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("the driver prints one JSON object");

    let list = |name: &str| texts(told.get(name).expect("the driver tells everything"));
    Visit {
        answer: told.get("answer").cloned().unwrap_or_default(),
        complaints: list("complaints"),
        connections: list("connections"),
        requests: list("requests"),
        lookups: list("lookups"),
        picture,
    }
}

impl Visit {
    /// What the page asked of anybody but this machine, or Chromium looked up or connected to on its own.
    pub(crate) fn strays(&self) -> Vec<&str> {
        let requests = self.requests.iter().filter(|url| !asks_this_machine(url));
        let connections = self.connections.iter().filter(|to| !is_this_machine(to));
        // The name `localhost` is never looked up, so whatever was is somebody else's.
        let all = requests.chain(connections).chain(&self.lookups);
        all.map(String::as_str).collect()
    }

    /// Whether the screenshot was taken, by this visit, and is a PNG.
    pub(crate) fn shows_something(&self) -> bool {
        fs::read(&self.picture).is_ok_and(|picture| picture.starts_with(b"\x89PNG\r\n"))
    }
}

fn asks_this_machine(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => matches!(url.scheme(), "about" | "blob" | "data"),
    }
}

fn is_this_machine(address: &str) -> bool {
    address.parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback())
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
