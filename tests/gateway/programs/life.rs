//! How programs begin and end, and what they are told of where they are.

use super::error;
use crate::{
    gateway::{Gateway, mcp_stdio, message},
    several_live::{connect, text},
};
use countersign_tests::mcp::{Era, Heard};
use http::{Method, StatusCode};
use rmcp::{
    model::{CallToolRequest, CallToolRequestParams, ClientRequest, ServerNotification, SubscriptionFilter},
    service::{PeerRequestOptions, Subscription},
};
use serde_json::json;
use std::{fs, path::Path, time::Duration};
use tempfile::{TempDir, tempdir};
use tokio::{process::Command, sync::mpsc::UnboundedReceiver};

const STATUS: &str = "countersign/backends";

/// A script as a program, and where it lies.
fn script(text: &str) -> (String, TempDir) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let path = folder.path().join("serve");
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (format!("command: '{}'", path.display()), folder)
}

/// Answers `initialize` in a script, and whatever else with an empty list of tools.
const ANSWERING: &str = r#"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9][0-9]*\).*/\1/p')
  case "$line" in
    *'"server/discover"'*) echo '{"jsonrpc":"2.0","id":"countersign-discover","error":{"code":-32601,"message":"no"}}' ;;
    *'"initialize"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
    *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"tools":[{"name":"die","inputSchema":{"type":"object"}}]}}' ;;
    *'"tools/call"'*) exit 3 ;;
  esac
done
"#;

#[tokio::test]
async fn a_program_knows_what_it_was_told_and_nothing_else() {
    let (program, folder) = script(&format!("env >&2; pwd >&2; echo 'Server ready'\n{ANSWERING}"));
    fs::write(folder.path().join("secret"), "hush").unwrap();
    let secret = folder.path().join("secret").display().to_string();
    let about = format!(
        "{program}, env: {{LEVEL: debug, A_TOKEN: 'file:{secret}'}}, cwd: '{}'",
        folder.path().display()
    );
    let gateway = Gateway::with_programs(&[("sh", about)]).await;
    let (session, hello) = gateway.initialize("bob").await;
    assert_eq!(message(&hello)["result"]["_meta"][STATUS]["sh"]["status"], "ok", "{}", hello.text());
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let listed = message(&gateway.in_session("bob", &session, Method::POST, list).await);
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "sh__die"), "{listed}");

    let place = folder.path().canonicalize().unwrap().display().to_string();
    gateway.log().wait_for(&place, 1).await;
    let said: Vec<_> =
        gateway.log().lines().into_iter().filter(|line| line.contains("backend=\"sh\"")).collect();
    let told = |line: &&String| line.contains("LEVEL=debug") || line.contains("A_TOKEN=hush");
    assert!(said.iter().filter(told).count() >= 2, "{said:?}");
    // The shell adds some of its own.
    let known = ["PATH", "HOME", "LANG", "LEVEL", "A_TOKEN", "PWD", "OLDPWD", "SHLVL", "_"];
    for line in
        said.iter().filter_map(|line| line.split_once("backend=")?.0.rsplit_once(": ")?.1.split_once('='))
    {
        assert!(known.contains(&line.0), "{line:?}");
    }
    gateway.log().wait_for("said something that is no message", 1).await;
}

#[tokio::test]
async fn one_that_dies_fails_its_call_and_is_started_again() {
    for era in [Era::Legacy, Era::Modern] {
        let (program, _folder) = script(ANSWERING);
        let gateway = Gateway::with_programs(&[("sh", program)]).await;
        let (client, _heard) = connect(&gateway, era).await;
        for time in 1..3 {
            let told = error(&client, "sh__die").await;
            assert!(told.contains("ended before it answered"), "{era:?}, {time}: {told}");
        }
        for taught in ["sessions", "no-sessions"] {
            let about = mcp_stdio(&format!("everything, {taught}"));
            let gateway = Gateway::with_programs(&[("it", about)]).await;
            let (client, mut heard) = connect(&gateway, era).await;
            let call = ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new(
                "it__test_wait",
            )));
            let waiting =
                client.send_cancellable_request(call, PeerRequestOptions::no_options()).await.unwrap();
            heard.recv().await.unwrap();
            for process in processes(&gateway, 1).await.iter().filter(|process| runs(process)) {
                assert!(Command::new("kill").args(["-KILL", process]).status().await.unwrap().success());
            }
            let failed = waiting.await_response().await.unwrap_err().to_string();
            assert!(failed.contains("ended before it answered"), "{era:?} {taught}: {failed}");
            let simple = text(&client, "it__test_simple_text", json!({})).await;
            assert_eq!(simple, "This is a simple text response for testing.", "{era:?} {taught}");
        }
    }
}

#[tokio::test]
async fn whoever_listens_is_told_when_one_is_there_again() {
    let programs =
        [("old", mcp_stdio("everything, sessions")), ("new", mcp_stdio("everything, no-sessions"))];
    for era in [Era::Legacy, Era::Modern] {
        let gateway = Gateway::with_programs(&programs).await;
        let (client, mut heard) = connect(&gateway, era).await;
        let tools = SubscriptionFilter::builder().tools_list_changed().build();
        let mut subscription = match era {
            Era::Legacy => None,
            Era::Modern => Some(client.listen(tools).await.unwrap()),
        };
        // Whoever listens hears this, so the gateway listens too.
        for backend in ["old", "new"] {
            text(&client, &format!("{backend}__test_trigger_tool_change"), json!({})).await;
            news(&mut heard, subscription.as_mut()).await;
        }
        let running = processes(&gateway, 2).await;
        for process in running.iter().filter(|process| runs(process)) {
            assert!(Command::new("kill").args(["-KILL", process]).status().await.unwrap().success());
        }
        for _ in ["old", "new"] {
            news(&mut heard, subscription.as_mut()).await;
        }
    }
}

/// Waits until there are other tools.
async fn news(heard: &mut UnboundedReceiver<Heard>, subscription: Option<&mut Subscription>) {
    match subscription {
        Some(subscription) => {
            let news = subscription.next().await.unwrap();
            assert!(matches!(news, Some(ServerNotification::ToolListChangedNotification(_))), "{news:?}");
        }
        None => while heard.recv().await.unwrap() != Heard::Tools {},
    }
}

#[tokio::test]
async fn one_that_cannot_run_is_told_of_and_tried_ever_less_often() {
    let (program, _folder) = script("echo 'no licence' >&2; exit 7\n");
    let gateway = Gateway::with_programs(&[("bad", program)]).await;
    gateway.log().wait_for("no licence", 1).await;
    let (session, _) = gateway.initialize("bob").await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for _ in 0..3 {
        let in_session = gateway.in_session("bob", &session, Method::POST, list).await;
        for answer in [in_session, gateway.modern("bob", "tools/list", json!({})).await] {
            let answer = message(&answer);
            assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 5, "{answer}");
            let status = &answer["result"]["_meta"][STATUS]["bad"];
            assert_eq!(status["code"], -32003, "{answer}");
            assert_eq!(status["message"], "backend `bad` ended; try again", "{answer}");
        }
    }
    assert!(gateway.log().wait_for("no licence", 1).await.len() < 8, "not for every request");
    let called = gateway.modern("bob", "tools/call", json!({"name": "bad__x", "arguments": {}})).await;
    assert!(message(&called)["error"]["data"]["retry_after_seconds"].as_u64().unwrap() >= 1);
    assert!(gateway.log().lines().iter().any(|line| line.contains("exit status: 7")));
}

#[tokio::test]
async fn nothing_of_a_program_is_left_when_the_gateway_ends() {
    // It does not end with its input, nor when it is asked to, and neither does what it has started.
    let stubborn = format!(
        "trap '' TERM\nsleep 1000 &\necho \"process: $!\" >&2; echo \"process: $$\" >&2\n{ANSWERING}\nwhile :; do sleep 1000; done\n"
    );
    let (program, _folder) = script(&stubborn);
    let programs = [
        ("sh", program),
        ("old", mcp_stdio("everything, sessions")),
        ("new", mcp_stdio("everything, no-sessions")),
    ];
    let mut gateway = Gateway::with_programs(&programs).await;
    gateway.initialize("alice").await;
    let listed = gateway.modern("alice", "tools/list", json!({})).await;
    assert_eq!(listed.status, StatusCode::OK);
    let processes = processes(&gateway, 6).await;
    assert!(processes.iter().any(|process| runs(process)), "{processes:?}");
    gateway.stop().await;
    let left: Vec<_> = processes.iter().filter(|process| runs(process)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn there_are_no_more_processes_than_there_may_be() {
    let about = mcp_stdio("everything, sessions") + ", max_processes: 1";
    let gateway = Gateway::with_programs(&[("old", about)]).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"old__test_simple_text"}}"#;
    let (alices, _) = gateway.initialize("alice").await;
    let (bobs, _) = gateway.initialize("bob").await;
    // Whoever is idle makes room, and comes back.
    for (who, session) in [("alice", &alices), ("bob", &bobs), ("alice", &alices)] {
        let answer = message(&gateway.in_session(who, session, Method::POST, call).await);
        assert!(answer["result"]["content"].is_array(), "{who}: {answer}");
    }
    let (client, _heard) = connect(&gateway, Era::Legacy).await;
    text(&client, "old__test_simple_text", json!({})).await;
    // It listens, so it is not idle.
    let listening = || async { message(&gateway.in_session("bob", &bobs, Method::POST, call).await) };
    let answer = eventually(listening, |answer| answer["error"].is_object()).await;
    assert_eq!(answer["error"]["code"], -32003, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("`max_processes`"), "{answer}");
}

/// The ids of the processes that said theirs; at least `least` of them.
async fn processes(gateway: &Gateway, least: usize) -> Vec<String> {
    let said = gateway.log().wait_for("process: ", least).await;
    said.iter().map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Whether there is such a process, and not only what nobody has asked about since it ended.
fn runs(process: &str) -> bool {
    let about = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    about.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// What is asked again until it is as it should be, because somebody else has to do something first.
async fn eventually<T, F: Future<Output = T>>(ask: impl Fn() -> F, is_right: impl Fn(&T) -> bool) -> T {
    for _ in 0..100 {
        let answer = ask().await;
        if is_right(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was");
}
