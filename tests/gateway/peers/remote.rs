//! mcp-remote, with which a host that speaks standard input and output only reaches the gateway.

use super::{Strangers, assert_lists, tapped};
use crate::gateway::{Gateway, LEGACY, MODERN};
use countersign_fixtures::{
    wire::Tap,
    world::{ADMIN, USER},
};
use countersign_tests::peers;
use http::Uri;
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
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
        let mut bridge = Bridge::start(&url, protocol, &gateway.token(who)).await;
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
        let steps: Vec<_> =
            bridge.progress("python__work").map(|told| told["params"]["progress"].as_f64()).collect();
        assert_eq!(steps, [Some(1.0), Some(2.0), Some(3.0)], "{protocol}: {:?}", bridge.notified);
        assert!(tap.has_seen(&format!("mcp-protocol-version: {version}")), "{protocol}");
        assert_eq!(tap.has_seen("mcp-session-id: "), protocol == "legacy", "{protocol}");
    }
}

#[tokio::test]
async fn mcp_remote_carries_questions_completions_changes_and_cancellation() {
    let mut strangers = Strangers::start().await;
    let npm: Uri = strangers.backends[0].1.parse().unwrap();
    let tap = Tap::before(npm.authority().unwrap().as_str().parse().unwrap()).await;
    strangers.backends[0].1 = format!("{}{}", tap.url(), npm.path());
    let gateway = strangers.behind_gateway().await;
    for protocol in ["legacy", "auto"] {
        let mut bridge = Bridge::start(&gateway.endpoint, protocol, &gateway.token("alice")).await;
        for name in ["python", "python-stdio", "typescript", "typescript-stdio"] {
            for (tool, says) in [("ask", "Hello, Ada."), ("imagine", "It says Paris.")] {
                let said = bridge.call(&format!("{name}__{tool}"), json!({})).await;
                assert_eq!(said["content"][0]["text"], says, "{protocol} {name}: {said}");
            }
            let prompt = json!({"type": "ref/prompt", "name": format!("{name}__summarise")});
            let about = json!({"ref": prompt, "argument": {"name": "text", "value": "par"}});
            let completed = bridge.ask("completion/complete", about).await;
            assert_eq!(completed["completion"]["values"], json!(["paris", "park"]), "{protocol} {name}");
            let tool = format!("{name}__work");
            bridge.call(&tool, json!({"steps": 3})).await;
            assert_eq!(bridge.progress(&tool).count(), 3, "{protocol} {name}: {:?}", bridge.notified);
        }
        for tool in ["npm__trigger-elicitation-request", "npm-stdio__trigger-elicitation-request"] {
            let said = bridge.call(tool, json!({})).await.to_string();
            assert!(said.contains("Ada"), "{protocol} {tool}: {said}");
        }
        for tool in ["npm__trigger-sampling-request", "npm-stdio__trigger-sampling-request"] {
            let said = bridge.call(tool, json!({"prompt": "Which city?"})).await.to_string();
            assert!(said.contains("Paris"), "{protocol} {tool}: {said}");
        }
        for (uri, tool) in [
            ("typescript://motto", "typescript__change"),
            ("typescript-stdio+typescript://motto", "typescript-stdio__change"),
            ("npm-stdio+demo://resource/dynamic/text/1", "npm-stdio__toggle-subscriber-updates"),
        ] {
            let read = bridge.ask("resources/read", json!({"uri": uri})).await;
            assert_eq!(read["contents"][0]["uri"], uri, "{protocol}: {read}");
            bridge.ask("resources/subscribe", json!({"uri": uri})).await;
            bridge.change(uri, tool).await;
        }
        // Without a session, only whoever goes away takes a request back, and the bridge stays.
        if protocol != "legacy" {
            continue;
        }
        bridge.cancel("npm__trigger-long-running-operation", json!({"duration": 60, "steps": 600})).await;
        tap.wait_for("notifications/cancelled", 1).await;
        for (tool, nth) in [("typescript__wait", 1), ("python__wait", 2)] {
            bridge.cancel(tool, json!({})).await;
            strangers.processes[nth].log().wait_for("cancelled", 1).await;
        }
        bridge.cancel("python-stdio__wait", json!({})).await;
        gateway.log().wait_for("cancelled backend=\"python-stdio\"", 1).await;
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
    /// A host that can be asked questions has introduced itself.
    async fn start(url: &str, protocol: &str, token: &str) -> Self {
        let home = tempdir().unwrap();
        let mut command = Command::new(peers::node());
        command.arg(peers::npm().join("node_modules/mcp-remote/dist/proxy.js")).arg(url);
        command.args(["--transport", "http-only", "--protocol", protocol]);
        command.args(["--header", "Authorization: Bearer ${TOKEN}"]).env_clear().env("TOKEN", token);
        command.env("HOME", home.path()).env("MCP_REMOTE_CONFIG_DIR", home.path()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut bridge = Self { _child: child, input, output, asked: 0, notified: Vec::new(), _home: home };
        let client = json!({"name": "host", "version": "1"});
        let abilities = json!({"elicitation": {}, "sampling": {}});
        let hello = json!({"protocolVersion": LEGACY, "capabilities": abilities, "clientInfo": client});
        let hello = bridge.ask("initialize", hello).await;
        assert_eq!(hello["protocolVersion"], LEGACY, "{protocol}: {hello}");
        bridge.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        bridge
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask(
            "tools/call",
            json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": tool}}),
        )
        .await
    }

    /// Calls a tool, and takes that back once it tells how far it is.
    async fn cancel(&mut self, tool: &str, arguments: Value) {
        self.asked += 1;
        let (id, token) = (self.asked, format!("{tool} {}", self.asked));
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": token}});
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
        while self.progress(&token).next().is_none() {
            let message = self.hear().await;
            assert!(message["method"].is_string() || message["id"] != id, "{tool}: {message}");
        }
        let params = json!({"requestId": id});
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
    }

    /// The result of a request.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        loop {
            let message = self.hear().await;
            if message["method"].is_null() && message["id"] == id {
                assert!(message["result"].is_object(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Has a tool change a resource, until that is heard of: a bridge without a session asks for news anew whenever
    /// something else is watched, and says so at once. The everything server's tool turns changes off when it is called
    /// again; they come every few seconds.
    async fn change(&mut self, uri: &str, tool: &str) {
        let told = |message: &Value| {
            message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri
        };
        self.call(tool, json!({})).await;
        while !self.notified.iter().any(told) {
            let moment = tokio::time::timeout(Duration::from_secs(1), self.hear()).await;
            if moment.is_err() && !tool.starts_with("npm") {
                self.call(tool, json!({})).await;
            }
        }
    }

    /// The next message. A question is answered; what answers nothing is kept.
    async fn hear(&mut self) -> Value {
        let line = self.output.next_line().await.unwrap().expect("it runs until it is ended");
        let message: Value = serde_json::from_str(&line).unwrap();
        let answer = match message["method"].as_str() {
            Some("elicitation/create") => json!({"action": "accept", "content": {"name": "Ada"}}),
            Some("sampling/createMessage") => {
                json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "somebody's"})
            }
            _ => {
                if message["id"].is_null() {
                    self.notified.push(message.clone());
                }
                return message;
            }
        };
        self.say(&json!({"jsonrpc": "2.0", "id": message["id"], "result": answer})).await;
        message
    }

    async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    fn progress(&self, token: &str) -> impl Iterator<Item = &Value> {
        self.notified.iter().filter(move |message| message["params"]["progressToken"] == token)
    }
}
