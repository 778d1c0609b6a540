//! What takes more than a question and an answer, with the official Python client before strangers at addresses and as
//! programs, all at once: questions to the client, cancellation, completion, changes.

use super::{Strangers, python};
use crate::gateway::{Gateway, LEGACY, MODERN, unsigned};
use serde_json::{Value, json};

const CLIENTS: [(&str, &str); 3] = [("first", LEGACY), ("legacy", LEGACY), ("auto", MODERN)];

/// A gateway before all of them, and the warehouse.
async fn gateway(strangers: &Strangers) -> Gateway {
    let programs = Strangers::as_programs();
    let programs: String = programs.iter().map(|(name, about)| format!("  {name}: {{{about}}}\n")).collect();
    let backends = unsigned(&strangers.backends) + &programs;
    Gateway::with(|text| text + &backends + "lists: {deadline_seconds: 30}\n").await
}

#[tokio::test]
async fn strangers_ask_and_complete_and_tell_how_far_they_are() {
    let strangers = Strangers::start().await;
    let gateway = gateway(&strangers).await;
    for (mode, version) in CLIENTS {
        let call = |name: &str, arguments: Value| json!({"do": "call", "name": name, "arguments": arguments});
        let complete = |name: &str, argument: &str, value: &str| json!({"do": "complete", "name": name, "argument": argument, "value": value});
        let steps = [
            json!({"do": "list"}),
            call("python__ask", json!({})),
            call("python-stdio__ask", json!({})),
            call("npm__trigger-elicitation-request", json!({})),
            call("npm-stdio__trigger-elicitation-request", json!({})),
            call("python__imagine", json!({})),
            call("python-stdio__imagine", json!({})),
            call("npm__trigger-sampling-request", json!({"prompt": "Which city?"})),
            call("npm-stdio__trigger-sampling-request", json!({"prompt": "Which city?"})),
            complete("python__summarise", "text", "par"),
            complete("python-stdio__summarise", "text", "par"),
            complete("npm__completable-prompt", "department", "S"),
            complete("npm-stdio__completable-prompt", "department", "S"),
            call("npm-stdio__trigger-long-running-operation", json!({"duration": 0.3, "steps": 3})),
            call("python-stdio__work", json!({"steps": 3})),
        ];
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        assert_eq!(client.wait_for("connected:").await["version"], version, "{mode}");
        let answers: [Value; 15] = client.answers().await;
        let listed = answers[0].to_string();
        for tool in
            ["warehouse__whoami", "npm__echo", "typescript__add", "npm-stdio__echo", "python-stdio__ask"]
        {
            assert!(listed.contains(&format!("\"{tool}\"")), "{mode} {tool}: {listed}");
        }
        let says = |nth: usize, text: &str| {
            let answer = answers[nth].to_string();
            assert!(answer.contains(text), "{mode} {}: {answer}", steps[nth]);
        };
        for nth in [1, 2] {
            says(nth, "Hello, Ada.");
        }
        for nth in [3, 4] {
            says(nth, "Ada");
        }
        for nth in [5, 6] {
            says(nth, "It says Paris.");
        }
        for nth in [7, 8] {
            says(nth, "Paris");
        }
        for nth in [9, 10] {
            assert_eq!(
                answers[nth]["completion"]["values"],
                json!(["paris", "park"]),
                "{mode}: {}",
                answers[nth]
            );
        }
        for nth in [11, 12] {
            assert_eq!(
                answers[nth]["completion"]["values"],
                json!(["Sales", "Support"]),
                "{mode}: {}",
                answers[nth]
            );
        }
        for nth in [13, 14] {
            let told = &answers[nth]["progress"];
            assert_eq!(*told, json!([[1.0, 3.0], [2.0, 3.0], [3.0, 3.0]]), "{mode}: {}", answers[nth]);
        }
    }
}

#[tokio::test]
async fn what_is_cancelled_ends_with_strangers_too() {
    let strangers = Strangers::start().await;
    let gateway = gateway(&strangers).await;
    for (time, (mode, _)) in CLIENTS.into_iter().enumerate() {
        let steps = ["python__wait", "python-stdio__wait"].map(|name| json!({"do": "cancel", "name": name}));
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        client.wait_for("connected:").await;
        let answers: [Value; 2] = client.answers().await;
        assert!(answers.iter().all(|answer| answer["cancelled"] == true), "{mode}: {answers:?}");
        // The one at an address says it itself, the program in the gateway's log.
        strangers.processes[2].log().wait_for("cancelled", time + 1).await;
        gateway.log().wait_for("cancelled backend=\"python-stdio\"", time + 1).await;
    }
}

#[tokio::test]
async fn changes_at_strangers_are_heard_of() {
    let strangers = Strangers::start().await;
    let gateway = gateway(&strangers).await;
    for (mode, uri, tool) in [
        // Its updates come by themselves once they are asked for.
        ("first", "demo://resource/dynamic/text/1", "npm__toggle-subscriber-updates"),
        ("legacy", "npm-stdio+demo://resource/dynamic/text/1", "npm-stdio__toggle-subscriber-updates"),
        ("auto", "python://motto", "python__change"),
        ("auto", "python-stdio+python://motto", "python-stdio__change"),
    ] {
        let steps = [json!({"do": "watch", "uri": uri, "name": tool})];
        let mut client = python(&gateway, mode).with_token(&gateway.token("alice")).start(&steps);
        client.wait_for("connected:").await;
        let [answer]: [Value; 1] = client.answers().await;
        assert!(answer["news"].is_string(), "{mode} {tool}: {answer}");
    }
}
