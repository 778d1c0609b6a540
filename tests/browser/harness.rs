//! Plays a scenario from `scenarios/` through `drive.mjs` and tells what came of it.

use countersign_tests::peers;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
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
    /// The pages that it looked at closely.
    pub(crate) looks: Vec<Look>,
    requests: Vec<String>,
    lookups: Vec<String>,
}

/// A page that was looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Look {
    pub(crate) name: String,
    pub(crate) url: String,
    /// What keeps people from reading or using it.
    pub(crate) wrong: Vec<String>,
}

/// Plays `scenarios/<scenario>.mjs` against `url`.
pub(crate) async fn visit(scenario: &str, url: &str) -> Visit {
    play(scenario, scenario, url, &json!({})).await
}

/// The same in a manner of its own, see `drive.mjs`; its pictures begin with `called`.
pub(crate) async fn play(scenario: &str, called: &str, url: &str, manner: &Value) -> Visit {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let pictures = here.join("output/browser");
    fs::create_dir_all(&pictures).expect("the checkout is writable");
    let picture = pictures.join(called).with_extension("png");
    let _ = fs::remove_file(&picture);

    let output = Command::new(peers::node())
        .arg(here.join("browser/drive.mjs"))
        .arg(here.join("browser/scenarios").join(scenario).with_extension("mjs"))
        .arg(url)
        .arg(&picture)
        .arg(manner.to_string())
        .env("COUNTERSIGN_NPM", peers::npm())
        .env("COUNTERSIGN_CHROMIUM", peers::chromium())
        .kill_on_drop(true)
        .output()
        .await
        .expect("Node.js starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{called} did not play to its end:\n{complaint}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("the driver prints one JSON object");

    let list = |name: &str| texts(told.get(name).expect("the driver tells everything"));
    let looks = told.get("looks").cloned().unwrap_or_default();
    Visit {
        answer: told.get("answer").cloned().unwrap_or_default(),
        complaints: list("complaints"),
        connections: list("connections"),
        requests: list("requests"),
        lookups: list("lookups"),
        looks: serde_json::from_value(looks).expect("the driver tells what it looked at"),
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

    /// Whom the pages asked for anything.
    pub(crate) fn origins(&self) -> BTreeSet<String> {
        let urls = self.requests.iter().filter_map(|url| Url::parse(url).ok());
        urls.map(|url| url.origin())
            .filter(|origin| origin.is_tuple())
            .map(|origin| origin.ascii_serialization())
            .collect()
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
