//! The servers as child processes.

use super::{ask, text};
use countersign_tests::mcp::{Era, Person};
use rmcp::ClientServiceExt;
use serde_json::json;
use std::process::Stdio;
use tokio::process::{Child, Command};

#[tokio::test]
async fn they_speak_over_standard_input_and_output_in_both_eras() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = start("warehouse");
        let transport = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        let client = ().serve_with_lifecycle(transport, era.lifecycle()).await.unwrap();
        assert_eq!(client.list_all_tools().await.unwrap().len(), 5, "{era:?}");
        assert_eq!(ask(&client, "whoami", json!({})).await.unwrap(), json!({"signed": false}));
        client.cancel().await.unwrap();
        assert!(server.wait().await.unwrap().success(), "{era:?}");

        let mut server = start("everything");
        let transport = (server.stdout.take().unwrap(), server.stdin.take().unwrap());
        let (person, _heard) = Person::listening();
        let client = person.serve_with_lifecycle(transport, era.lifecycle()).await.unwrap();
        let told = text(&client, "test_input_required_result_elicitation", json!({})).await;
        assert_eq!(told, "Hello, Ada!", "{era:?}");
        client.cancel().await.unwrap();
        assert!(server.wait().await.unwrap().success(), "{era:?}");
    }
}

fn start(server: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mcp-stdio"))
        .arg(server)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
