//! The official Python client, its first major version, the Inspector and mcp-remote through `serve`. All of it belongs
//! to the suite `peers`, which prepares what it needs.

mod exchange;
mod inspector;
mod lively;
mod remote;
mod replicas;
mod sign_in;

use crate::gateway::{Gateway, LEGACY, MODERN, unsigned};
use countersign_fixtures::{
    wire::Tap,
    world::{ADMIN, USER},
};
use countersign_tests::{mcp::Python, peers, process::Counterpart};
use http::Uri;
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

#[tokio::test]
async fn python_lists_and_calls_signed_tools_in_both_eras() {
    for (mode, version) in [("legacy", LEGACY), ("auto", MODERN), (MODERN, MODERN)] {
        let gateway = Gateway::start().await;
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let item = json!({"sku": format!("{who}-1"), "name": "kettle", "quantity": 3});
            let steps = [
                json!({"do": "list"}),
                json!({"do": "call", "name": "whoami"}),
                json!({"do": "call", "name": "add_item", "arguments": item}),
                json!({"do": "read", "uri": "warehouse://stock"}),
                json!({"do": "prompts"}),
            ];
            let client = Python::new(&gateway.endpoint, mode).with_token(&gateway.token(who));
            let mut python = client.start(&steps);
            assert_eq!(python.wait_for("connected:").await["version"], version, "{mode} {who}");
            let [listed, me, added, stock, prompts]: [Value; 5] = python.answers().await;

            assert_eq!(listed["tools"].as_array().unwrap().len(), 5, "{mode} {who}: {listed}");
            assert_eq!(me["structuredContent"]["role"], role, "{mode} {who}: {me}");
            assert_eq!(me["structuredContent"]["session_name"], format!("{who}@example.com"));
            if who == "alice" {
                assert_eq!(added["structuredContent"]["added"], item, "{mode}: {added}");
            } else {
                let said = added["error"]["message"].as_str().unwrap();
                assert_eq!(said, "backend `warehouse` does not let your role do this", "{mode}: {added}");
            }
            assert!(stock["contents"][0]["text"].is_string(), "{mode} {who}: {stock}");
            assert_eq!(prompts["prompts"][0]["name"], "restock", "{mode} {who}: {prompts}");
        }
        let unsigned: Vec<_> =
            gateway.world.mcp.oracle().seen().into_iter().filter(|seen| seen.principal().is_none()).collect();
        assert!(unsigned.is_empty(), "{mode}: {unsigned:?}");
    }
}

#[tokio::test]
async fn python_without_a_good_token_is_turned_away() {
    let gateway = Gateway::start().await;
    for mode in ["first", "auto"] {
        let mut python = python(&gateway, mode).with_token("forged").start(&[]);
        let failed = python.wait_for("failed:").await;
        assert_eq!(failed["http"][0], 401, "{mode}: {failed}");
    }
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}

/// The official client in this mode; "first" is its first major version.
fn python(gateway: &Gateway, mode: &str) -> Python {
    match mode {
        "first" => Python::first(&gateway.endpoint),
        mode => Python::new(&gateway.endpoint, mode),
    }
}

/// Servers that nobody here wrote: npm's everything server, which knows sessions only; one of the TypeScript SDK, which
/// knows none; one of the Python SDK, which knows both.
struct Strangers {
    backends: [(&'static str, String); 3],
    processes: [Counterpart; 3],
}

impl Strangers {
    /// A gateway before all of them, at addresses and as programs, and before the warehouse.
    async fn behind_gateway(&self) -> Gateway {
        let programs = Self::as_programs();
        let programs: String =
            programs.iter().map(|(name, about)| format!("  {name}: {{{about}}}\n")).collect();
        let backends = unsigned(&self.backends) + &programs;
        Gateway::with(|text| text + &backends + "lists: {deadline_seconds: 30}\n").await
    }

    /// The same servers as programs that speak on standard input and output.
    fn as_programs() -> [(&'static str, String); 3] {
        let everything =
            peers::npm().join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let typescript = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/npm/mcp-server.mjs");
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/mcp_server.py");
        let command = |program: &Path, script: &Path| {
            format!("command: '{}', args: ['{}', stdio]", program.display(), script.display())
        };
        let packages = format!(", env: {{COUNTERSIGN_NPM: '{}'}}", peers::npm().display());
        [
            ("npm-stdio", command(&peers::node(), &everything)),
            ("typescript-stdio", command(&peers::node(), Path::new(typescript)) + &packages),
            ("python-stdio", command(&peers::python("mcp"), Path::new(python))),
        ]
    }

    async fn start() -> Self {
        let everything =
            peers::npm().join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut npm = Command::new(peers::node());
        // It says that it listens where nobody reads it from a pipe: to its standard error, which goes there.
        npm.arg("-e").arg(ON_STANDARD_OUTPUT).arg(everything).arg("streamableHttp");
        npm.env_clear().env("PORT", port.to_string());
        let mut npm = Counterpart::start(&mut npm);
        let mut typescript = Command::new(peers::node());
        typescript.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/npm/mcp-server.mjs"));
        let mut typescript = Counterpart::start(typescript.env_clear().env("COUNTERSIGN_NPM", peers::npm()));
        let mut python = Command::new(peers::python("mcp"));
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/mcp_server.py"));
        let mut python = Counterpart::start(python.env_clear());
        npm.wait_for("listening on port").await;
        let backends = [
            ("npm", format!("http://127.0.0.1:{port}/mcp")),
            ("typescript", typescript.wait_for("listening: ").await),
            ("python", python.wait_for("listening: ").await),
        ];
        Self { backends, processes: [npm, typescript, python] }
    }
}

/// Runs a program of Node.js whose words to standard error come on standard output.
const ON_STANDARD_OUTPUT: &str =
    "console.error = console.log; import(require('node:url').pathToFileURL(process.argv[1]).href);";

#[tokio::test]
async fn python_uses_strangers_of_every_era_at_once() {
    let strangers = Strangers::start().await;
    for (mode, version) in [("first", LEGACY), ("legacy", LEGACY), ("auto", MODERN)] {
        let gateway = Gateway::with_backends(&strangers.backends).await;
        let steps = [
            json!({"do": "list"}),
            json!({"do": "call", "name": "warehouse__whoami"}),
            json!({"do": "call", "name": "npm__echo", "arguments": {"message": "hello"}}),
            json!({"do": "call", "name": "typescript__add", "arguments": {"a": 2, "b": 3}}),
            json!({"do": "call", "name": "python__count", "arguments": {"text": "seven"}}),
            json!({"do": "call", "name": "python__work", "arguments": {"steps": 3}}),
            json!({"do": "resources"}),
            json!({"do": "read", "uri": "typescript://motto"}),
            json!({"do": "read", "uri": "python://items/7"}),
            json!({"do": "prompts"}),
            json!({"do": "prompt", "name": "typescript__greet", "arguments": {}}),
            json!({"do": "prompt", "name": "python__summarise", "arguments": {"text": "all of it"}}),
        ];
        let client = python(&gateway, mode).with_token(&gateway.token("alice"));
        let mut python = client.start(&steps);
        assert_eq!(python.wait_for("connected:").await["version"], version, "{mode}");
        let [listed, me, echo, sum, count, worked, resources, motto, item, prompts, greet, less]: [Value;
            12] = python.answers().await;
        assert_lists(&listed, mode);
        assert_eq!(me["structuredContent"]["role"], ADMIN, "{mode}: {me}");
        let said = |answer: &Value| answer["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert_eq!(said(&echo), "Echo: hello", "{mode}: {echo}");
        assert_eq!(said(&sum), "5", "{mode}: {sum}");
        assert_eq!(said(&count), "5", "{mode}: {count}");
        assert_eq!(said(&worked), "done", "{mode}: {worked}");
        if mode == "first" {
            assert_eq!(worked["progress"], json!([[1.0, 3.0], [2.0, 3.0], [3.0, 3.0]]), "{worked}");
        }
        assert!(resources["resources"].as_array().unwrap().len() > 3, "{mode}: {resources}");
        assert_eq!(motto["contents"][0]["text"], "Types first.", "{mode}: {motto}");
        assert_eq!(item["contents"][0]["text"], "The item 7.", "{mode}: {item}");
        assert!(prompts["prompts"].as_array().unwrap().len() >= 4, "{mode}: {prompts}");
        for (prompt, start) in [(&greet, "Say hello."), (&less, "Summarise: all of it")] {
            assert_eq!(prompt["messages"][0]["content"]["text"], start, "{mode}: {prompt}");
        }
    }
}

const TOOLS: [&str; 4] = ["warehouse__whoami", "npm__echo", "typescript__add", "python__count"];

/// The tools of the warehouse and of all strangers are in this answer to `tools/list`.
fn assert_lists(answer: &Value, client: &str) {
    let tools: Vec<_> = answer["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    for tool in TOOLS {
        assert!(tools.contains(&&json!(tool)), "{client} {tool}: {answer}");
    }
}

/// Keeps what clients send to the gateway, at an address of its own.
async fn tapped(gateway: &Gateway) -> (Tap, String) {
    let endpoint: Uri = gateway.endpoint.parse().unwrap();
    let tap = Tap::before(endpoint.authority().unwrap().as_str().parse().unwrap()).await;
    let url = format!("{}{}", tap.url(), endpoint.path());
    (tap, url)
}
