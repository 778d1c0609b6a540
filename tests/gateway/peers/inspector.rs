//! The MCP Inspector's command line, before the strangers and the signed warehouse at once.

use super::{Strangers, assert_lists, tapped};
use crate::gateway::{Gateway, LEGACY, MODERN, output};
use countersign_fixtures::world::{ADMIN, USER};
use countersign_tests::peers;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

#[tokio::test]
async fn the_inspector_lists_and_calls_in_both_eras() {
    let strangers = Strangers::start().await;
    let gateway = Gateway::with_backends(&strangers.backends).await;
    // Each era calls a tool whose backend knows the other one only.
    let eras = [
        ("legacy", LEGACY, "bob", USER, "typescript__add", json!({"a": 2, "b": 3}), "5"),
        ("modern", MODERN, "alice", ADMIN, "npm__echo", json!({"message": "hello"}), "Echo: hello"),
    ];
    for (era, version, who, role, tool, arguments, answer) in eras {
        let (tap, url) = tapped(&gateway).await;
        let inspector = Inspector::new(&url, era, &gateway.token(who));
        let listed = inspector.result("tools/list", &[]).await;
        assert_lists(&listed, era);
        let me = inspector.call("warehouse__whoami", &json!({})).await;
        assert_eq!(me["structuredContent"]["role"], role, "{era}: {me}");
        let said = inspector.call(tool, &arguments).await;
        assert_eq!(said["content"][0]["text"], answer, "{era}: {said}");
        assert!(tap.has_seen(&format!("mcp-protocol-version: {version}")), "{era}");
        assert_eq!(tap.has_seen("mcp-session-id: "), era == "legacy", "{era}");
    }
}

#[tokio::test]
async fn the_inspector_reads_of_programs_and_addresses_in_both_eras() {
    let strangers = Strangers::start().await;
    let gateway = strangers.behind_gateway().await;
    for era in ["legacy", "modern"] {
        let inspector = Inspector::new(&gateway.endpoint, era, &gateway.token("bob"));
        let asked: [(&str, &[&str], &str); 6] = [
            ("tools/list", &[], "\"python-stdio__ask\""),
            ("prompts/list", &[], "\"typescript-stdio__summarise\""),
            (
                "prompts/get",
                &["--prompt-name", "typescript-stdio__summarise", "--prompt-args", "text=all"],
                "Summarise: all",
            ),
            ("resources/list", &[], "\"typescript://motto\""),
            ("resources/read", &["--uri", "python-stdio+python://motto"], "Beautiful is better than ugly."),
            ("resources/templates/list", &[], "python://items/{item}"),
        ];
        for (method, more, says) in asked {
            let result = inspector.result(method, more).await.to_string();
            assert!(result.contains(says), "{era} {method}: {result}");
        }
        let said = inspector.call("npm-stdio__echo", &json!({"message": "hello"})).await;
        assert_eq!(said["content"][0]["text"], "Echo: hello", "{era}: {said}");
        let said = inspector.call("typescript-stdio__add", &json!({"a": 2, "b": 3})).await;
        assert_eq!(said["content"][0]["text"], "5", "{era}: {said}");
    }
}

#[tokio::test]
async fn the_inspector_without_a_good_token_is_turned_away() {
    let gateway = Gateway::start().await;
    for era in ["legacy", "modern"] {
        let (code, out, err) = Inspector::new(&gateway.endpoint, era, "forged").run("tools/list", &[]).await;
        assert_ne!(code, 0, "{era}: {out}");
        assert_eq!(out, "", "{era}");
        assert!(err.contains("auth_required") || err.contains("401"), "{era}: {err}");
    }
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}

/// The MCP Inspector's command line, which connects anew for each method.
struct Inspector {
    url: String,
    era: &'static str,
    token: String,
    /// Where it keeps what it remembers: nothing of an earlier run, nothing for a later one.
    home: TempDir,
}

impl Inspector {
    fn new(url: &str, era: &'static str, token: &str) -> Self {
        Self { url: url.to_owned(), era, token: token.to_owned(), home: tempdir().unwrap() }
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Value {
        self.result("tools/call", &["--tool-name", tool, "--tool-args-json", &arguments.to_string()]).await
    }

    async fn result(&self, method: &str, more: &[&str]) -> Value {
        let (code, out, err) = self.run(method, more).await;
        assert_eq!(code, 0, "{} {method} {more:?}: {out}{err}", self.era);
        let answer: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        answer["result"].clone()
    }

    async fn run(&self, method: &str, more: &[&str]) -> (i32, String, String) {
        let program =
            peers::npm().join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build");
        let mut command = Command::new(peers::node());
        command.arg(program.join("index.js")).args(["--cli", &self.url, "--transport", "http"]);
        command.args(["--protocol-era", self.era, "--method", method]).args(more);
        command.args(["--format", "json", "--quiet", "--stored-auth-only"]);
        command.arg("--header").arg(format!("Authorization: Bearer {}", self.token));
        output(command.env_clear().env("HOME", self.home.path()).kill_on_drop(true)).await
    }
}
