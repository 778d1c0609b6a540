//! Runs the suite against one server and reads what it found.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite that cannot be set up has failed")]

use countersign_tests::peers;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Command;

/// What the suite found: its scenarios by name, each with its checks in order.
pub(crate) type Report = BTreeMap<String, Vec<Check>>;

/// One check, and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) error_message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Success,
    Failure,
    Warning,
    Skipped,
    Info,
}

/// Everything that `revision` requires of a server, and what it runs besides, against the one at `url`.
pub(crate) async fn run(url: &str, revision: &str) -> Report {
    let folder = TempDir::new().expect("there is room for results");
    let output = Command::new(peers::node())
        .arg(package().join("dist/index.js"))
        .args(["server", "--url", url, "--requirements", revision, "--output-dir"])
        .arg(folder.path())
        .env_clear()
        .kill_on_drop(true)
        .output()
        .await
        .expect("the suite runs");
    let report = read(folder.path(), "server-");
    assert!(
        !report.is_empty(),
        "the suite found nothing:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    report
}

/// The server's scenarios that decide whether it conforms to `revision`.
pub(crate) fn required(revision: &str) -> BTreeSet<String> {
    let file = package().join(format!("requirements/{revision}.yaml"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let list = text.lines().skip_while(|line| *line != "server:").skip(1);
    list.map_while(|line| line.strip_prefix("  - ")).map(str::to_owned).collect()
}

/// What stands against a scenario: failed checks, or that there are none.
pub(crate) fn objections(checks: Option<&Vec<Check>>) -> Vec<String> {
    let Some(checks) = checks.filter(|checks| !checks.is_empty()) else {
        return vec!["it was not run".to_owned()];
    };
    let bad = |check: &&Check| matches!(check.status, Status::Failure | Status::Warning);
    let told = |check: &Check| format!("{}: {}", check.id, check.error_message.clone().unwrap_or_default());
    checks.iter().filter(bad).map(told).collect()
}

/// Where the suite is.
pub(crate) fn package() -> PathBuf {
    peers::npm().join("node_modules/@modelcontextprotocol/conformance")
}

/// Each scenario leaves a folder `<kind><name>-<year>-…` with a file in it.
pub(crate) fn read(folder: &Path, kind: &str) -> Report {
    let mut report = Report::new();
    for entry in fs::read_dir(folder).expect("the results can be read") {
        let path = entry.expect("the results can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let timestamp = "-2026-11-21T10-55-34-519Z".len();
        let end = name.len().saturating_sub(timestamp);
        let scenario = name.get(..end).and_then(|name| name.strip_prefix(kind));
        let Some(scenario) = scenario else {
            panic!("{name} is no scenario's folder");
        };
        let text = fs::read_to_string(path.join("checks.json")).expect("a scenario leaves its checks");
        let checks =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{scenario}: {error}: {text}"));
        report.insert(scenario.to_owned(), checks);
    }
    report
}
