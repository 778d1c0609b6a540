//! The everything server without anything in between: what the gateway will be held against.

use crate::suite::{objections, required, run};
use countersign_fixtures::{
    http::Server,
    mcp::{PATH, everything::Everything, warehouse},
};

#[tokio::test]
async fn it_passes_every_scenario_that_2025_11_25_requires() {
    passes("2025-11-25", 30).await;
}

#[tokio::test]
async fn it_passes_every_scenario_that_2026_07_28_requires() {
    passes("2026-07-28", 37).await;
}

#[tokio::test]
async fn a_server_without_the_features_does_not_pass() {
    let server = Server::start(warehouse::router()).await;
    let report = run(&format!("{}{PATH}", server.url()), "2025-11-25").await;
    let failed = |scenario: &&String| !objections(report.get(*scenario)).is_empty();
    let required = required("2025-11-25");
    assert!(required.iter().filter(failed).count() > 20, "{report:#?}");
    assert!(objections(report.get("ping")).is_empty(), "{report:#?}");
    assert!(!objections(report.get("unheard-of")).is_empty());
}

async fn passes(revision: &str, scenarios: usize) {
    let server = Server::start(Everything::default().router()).await;
    let report = run(&format!("{}{PATH}", server.url()), revision).await;
    let required = required(revision);
    assert_eq!(required.len(), scenarios, "{required:?}");
    // Schemas and headers do not decide, but a gateway could spoil them.
    let besides: &[&str] = match revision {
        "2025-11-25" => &["json-schema-2020-12", "server-session-lifecycle"],
        _ => &["http-custom-header-server-validation", "http-header-validation", "json-schema-2020-12"],
    };
    for scenario in required.iter().map(String::as_str).chain(besides.iter().copied()) {
        let objections = objections(report.get(scenario));
        assert!(objections.is_empty(), "{revision} {scenario}: {objections:#?}");
    }
}
