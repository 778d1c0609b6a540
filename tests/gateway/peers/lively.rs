//! What takes more than a question and an answer, with the official Python client before strangers at addresses and as
//! programs, all at once: questions to the client, cancellation, completion, changes.

use super::{Strangers, python};
use crate::gateway::{LEGACY, MODERN, message};
use countersign_fixtures::wire::Tap;
use http::{Method, Uri};
use serde_json::{Value, json};

const CLIENTS: [(&str, &str); 3] = [("first", LEGACY), ("legacy", LEGACY), ("auto", MODERN)];

#[tokio::test]
async fn strangers_ask_and_complete_and_tell_how_far_they_are() {
    let strangers = Strangers::start().await;
    let gateway = strangers.behind_gateway().await;
    for (mode, version) in CLIENTS {
        let call = |name: &str, arguments: Value| json!({"do": "call", "name": name, "arguments": arguments});
        let complete = |name: &str, argument: &str, value: &str| json!({"do": "complete", "name": name, "argument": argument, "value": value});
        let npm = "npm__trigger-sampling-request";
        // What is done, and what its answer has to say.
        let mut steps = vec![
            (json!({"do": "list"}), "\"warehouse__whoami\""),
            (call("npm__trigger-elicitation-request", json!({})), "Ada"),
            (call("npm-stdio__trigger-elicitation-request", json!({})), "Ada"),
            (call(npm, json!({"prompt": "Which city?"})), "Paris"),
            (call("npm-stdio__trigger-sampling-request", json!({"prompt": "Which city?"})), "Paris"),
            (complete("npm__completable-prompt", "department", "S"), r#"["Sales","Support"]"#),
            (complete("npm-stdio__completable-prompt", "department", "S"), r#"["Sales","Support"]"#),
            (
                call("npm-stdio__trigger-long-running-operation", json!({"duration": 0.3, "steps": 3})),
                "[[1.0,3.0],[2.0,3.0],[3.0,3.0]]",
            ),
        ];
        let own = ["python", "python-stdio", "typescript", "typescript-stdio"];
        let own = own.map(|name| {
            let tool = |tool: &str, arguments: Value| call(&format!("{name}__{tool}"), arguments);
            [
                (tool("ask", json!({})), "Hello, Ada."),
                (tool("imagine", json!({})), "It says Paris."),
                (tool("work", json!({"steps": 3})), "[[1.0,3.0],[2.0,3.0],[3.0,3.0]]"),
                (complete(&format!("{name}__summarise"), "text", "par"), r#"["paris","park"]"#),
            ]
        });
        steps.extend(own.into_iter().flatten());
        let (steps, says): (Vec<Value>, Vec<&str>) = steps.into_iter().unzip();
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        assert_eq!(client.wait_for("connected:").await["version"], version, "{mode}");
        let answers: [Value; 24] = client.answers().await;
        for tool in
            ["npm__echo", "typescript__add", "npm-stdio__echo", "typescript-stdio__add", "python-stdio__ask"]
        {
            assert!(answers[0].to_string().contains(&format!("\"{tool}\"")), "{mode} {tool}: {}", answers[0]);
        }
        for ((step, says), answer) in steps.iter().zip(says).zip(answers) {
            assert!(answer.to_string().contains(says), "{mode} {step}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_is_cancelled_ends_with_strangers_too() {
    let mut strangers = Strangers::start().await;
    // Npm's server does not tell what it hears.
    let npm: Uri = strangers.backends[0].1.parse().unwrap();
    let tap = Tap::before(npm.authority().unwrap().as_str().parse().unwrap()).await;
    strangers.backends[0].1 = format!("{}{}", tap.url(), npm.path());
    let gateway = strangers.behind_gateway().await;
    for (time, (mode, _)) in CLIENTS.into_iter().enumerate() {
        let wait = |name: &str| json!({"do": "cancel", "name": name});
        let long = json!({"duration": 60, "steps": 600});
        let steps = [
            wait("python__wait"),
            wait("python-stdio__wait"),
            wait("typescript__wait"),
            wait("typescript-stdio__wait"),
            json!({"do": "cancel", "name": "npm__trigger-long-running-operation", "arguments": long}),
            // Until this is sent, the client is there to send what it said before.
            json!({"do": "list"}),
        ];
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        client.wait_for("connected:").await;
        let [answers @ .., _]: [Value; 6] = client.answers().await;
        assert!(answers.iter().all(|answer| answer["cancelled"] == true), "{mode}: {answers:?}");
        // Those at addresses say it themselves, the programs in the gateway's log.
        let [_, typescript, python] = &strangers.processes;
        for process in [typescript, python] {
            process.log().wait_for("cancelled", time + 1).await;
        }
        for program in ["typescript-stdio", "python-stdio"] {
            gateway.log().wait_for(&format!("cancelled backend=\"{program}\""), time + 1).await;
        }
        tap.wait_for("notifications/cancelled", time + 1).await;
    }
}

#[tokio::test]
async fn a_call_goes_on_as_a_task_at_a_stranger_and_is_its_callers() {
    let strangers = Strangers::start().await;
    let gateway = strangers.behind_gateway().await;
    let (_, hello) = gateway.initialize("bob").await;
    let tasks = message(&hello)["result"]["capabilities"]["tasks"].clone();
    assert_eq!(
        tasks,
        json!({"cancel": {}, "requests": {"tools": {"call": {}}}}),
        "nobody lists other callers'"
    );
    for backend in ["npm", "npm-stdio"] {
        let name = format!("{backend}__simulate-research-query");
        let arguments = json!({"topic": "python", "ambiguous": true});
        let steps = [json!({"do": "task", "name": name, "arguments": arguments})];
        let mut client = python(&gateway, "first").with_token(&gateway.token("bob")).start(&steps);
        client.wait_for("connected:").await;
        let [answer]: [Value; 1] = client.answers().await;
        let task = answer["task"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(task.starts_with(&format!("{backend}:")), "{task}");
        let states = answer["states"].as_array().unwrap();
        assert!(states.iter().all(|state| state[0] == task), "{answer}");
        assert_eq!(states.last().unwrap()[1], "input_required", "{answer}");
        let related = &answer["result"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"];
        assert_eq!(related, task, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("After receiving clarification"), "{text}");
        // In another session nobody but the backend says that there is no such task, and only to whoever began it.
        for (who, says) in [("bob", "Task not found"), ("carol", "it is not yours")] {
            let (session, _) = gateway.initialize(who).await;
            let get = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": task}});
            let found = gateway.in_session(who, &session, Method::POST, &get.to_string()).await;
            let found = message(&found)["error"]["message"].to_string();
            assert!(found.contains(says), "{who} {found}");
        }
        let listed = message(&gateway.modern("bob", "tools/list", json!({})).await);
        assert!(!listed["result"]["tools"].to_string().contains(&name), "it cannot be called in that era");
        let notes = listed["result"]["_meta"]["countersign/backends"][backend]["notes"].to_string();
        assert!(
            notes.contains("`simulate-research-query` is left out: it goes on as a task only"),
            "{notes}"
        );
    }
}

#[tokio::test]
async fn changes_at_strangers_are_heard_of() {
    let strangers = Strangers::start().await;
    let gateway = strangers.behind_gateway().await;
    for (mode, uri, tool) in [
        // Its updates come by themselves once they are asked for.
        ("first", "demo://resource/dynamic/text/1", "npm__toggle-subscriber-updates"),
        ("legacy", "npm-stdio+demo://resource/dynamic/text/1", "npm-stdio__toggle-subscriber-updates"),
        ("auto", "python://motto", "python__change"),
        ("auto", "python-stdio+python://motto", "python-stdio__change"),
        ("first", "typescript://motto", "typescript__change"),
        ("legacy", "typescript-stdio+typescript://motto", "typescript-stdio__change"),
        ("auto", "typescript://motto", "typescript__change"),
    ] {
        let steps = [json!({"do": "watch", "uri": uri, "name": tool})];
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        client.wait_for("connected:").await;
        let [answer]: [Value; 1] = client.answers().await;
        assert!(answer["news"].is_string(), "{mode} {tool}: {answer}");
    }
}
