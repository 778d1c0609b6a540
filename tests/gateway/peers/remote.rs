//! mcp-remote, with which a host that speaks standard input and output only reaches the gateway.

use super::{Strangers, assert_lists, tapped};
use crate::gateway::{Gateway, LEGACY, MODERN};
use countersign_fixtures::world::{ADMIN, USER};
use countersign_tests::peers;
use serde_json::{Value, json};
use std::process::Stdio;
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

#[tokio::test]
async fn mcp_remote_carries_a_host_of_sessions_in_both_eras() {
    let strangers = Strangers::start().await;
    let gateway = Gateway::with_backends(&strangers.backends).await;
    for (protocol, version, who, role) in [("legacy", LEGACY, "bob", USER), ("auto", MODERN, "alice", ADMIN)]
    {
        let (tap, url) = tapped(&gateway).await;
        let mut bridge = Bridge::start(&url, protocol, &gateway.token(who));
        let client = json!({"name": "host", "version": "1"});
        let hello = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client});
        let hello = bridge.ask("initialize", hello).await;
        assert_eq!(hello["protocolVersion"], LEGACY, "{protocol}: {hello}");
        bridge.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;

        let listed = bridge.ask("tools/list", json!({})).await;
        assert_lists(&listed, protocol);
        let me = bridge.call("warehouse__whoami", json!({})).await;
        assert_eq!(me["structuredContent"]["role"], role, "{protocol}: {me}");
        let calls = [
            ("npm__echo", json!({"message": "hello"}), "Echo: hello"),
            ("typescript__add", json!({"a": 2, "b": 3}), "5"),
            ("python__work", json!({"steps": 3}), "done"),
        ];
        for (tool, arguments, answer) in calls {
            let said = bridge.call(tool, arguments).await;
            assert_eq!(said["content"][0]["text"], answer, "{protocol} {tool}: {said}");
        }
        let steps: Vec<_> = bridge.progress().map(|told| told["params"]["progress"].as_f64()).collect();
        assert_eq!(steps, [Some(1.0), Some(2.0), Some(3.0)], "{protocol}: {:?}", bridge.notified);
        assert!(tap.has_seen(&format!("mcp-protocol-version: {version}")), "{protocol}");
        assert_eq!(tap.has_seen("mcp-session-id: "), protocol == "legacy", "{protocol}");
    }
}

/// The program, and the host's end of its pipes. It ends with the test.
struct Bridge {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    asked: u64,
    notified: Vec<Value>,
    /// Where it keeps what it remembers: nothing of an earlier run, nothing for a later one.
    _home: TempDir,
}

impl Bridge {
    fn start(url: &str, protocol: &str, token: &str) -> Self {
        let home = tempdir().unwrap();
        let mut command = Command::new(peers::node());
        command.arg(peers::npm().join("node_modules/mcp-remote/dist/proxy.js")).arg(url);
        command.args(["--transport", "http-only", "--protocol", protocol]);
        command.args(["--header", "Authorization: Bearer ${TOKEN}"]).env_clear().env("TOKEN", token);
        command.env("HOME", home.path()).env("MCP_REMOTE_CONFIG_DIR", home.path()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output, asked: 0, notified: Vec::new(), _home: home }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask(
            "tools/call",
            json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": tool}}),
        )
        .await
    }

    /// The result of a request; what comes before it that answers nothing is kept.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let line = self.output.next_line().await.unwrap().expect("it runs until it is ended");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                assert!(message["result"].is_object(), "{method}: {message}");
                return message["result"].clone();
            }
            self.notified.push(message);
        }
    }

    async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    fn progress(&self) -> impl Iterator<Item = &Value> {
        self.notified.iter().filter(|message| message["params"]["progressToken"] == "python__work")
    }
}
