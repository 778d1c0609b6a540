//! A session belongs to whoever opened it.

use crate::gateway::{Gateway, written};
use http::{Method, StatusCode};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[tokio::test]
async fn nobody_else_can_use_it() {
    let gateway = Gateway::start().await;
    let (session, _) = gateway.initialize("alice").await;
    assert_eq!(gateway.in_session("alice", &session, Method::POST, LIST).await.status, StatusCode::OK);
    let before = gateway.world.mcp.oracle().seen().len();
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = gateway.in_session("bob", &session, method.clone(), LIST).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(gateway.world.mcp.oracle().seen().len(), before, "nothing of it reached the backend");
    assert_eq!(gateway.in_session("alice", &session, Method::POST, LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_id_is_not_the_backends_and_cannot_be_made_up() {
    let gateway = Gateway::start().await;
    let (session, _) = gateway.initialize("alice").await;
    gateway.in_session("alice", &session, Method::POST, LIST).await;
    let behind = gateway.last_seen().header("mcp-session-id").unwrap().to_owned();
    assert_ne!(session, behind);
    let changed: String = session.chars().rev().collect();
    for made_up in [behind.as_str(), changed.as_str(), "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = gateway.in_session("alice", made_up, Method::POST, LIST).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{made_up}");
    }
}

#[tokio::test]
async fn two_clients_of_one_person_have_two() {
    let gateway = Gateway::start().await;
    let (first, _) = gateway.initialize("alice").await;
    let (second, _) = gateway.initialize("alice").await;
    assert_ne!(first, second);
    assert!(gateway.in_session("alice", &first, Method::DELETE, "").await.status.is_success());
    assert_eq!(gateway.in_session("alice", &second, Method::POST, LIST).await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_outlives_the_change_of_the_key_for_as_long_as_that_is_a_former_one() {
    let [key, former] = ["07", "08"].map(|byte| written(&byte.repeat(32)));
    let mut gateway = Gateway::with(|text| {
        let [key, former] = [&key, &former].map(|key| key.path().display().to_string());
        format!("sessions: {{key: 'file:{key}', former_keys: ['file:{former}']}}\n{text}")
    })
    .await;
    let (session, _) = gateway.initialize("alice").await;
    for (now, before, status) in [("08", "07", StatusCode::OK), ("08", "09", StatusCode::NOT_FOUND)] {
        gateway.stop().await;
        std::fs::write(key.path(), now.repeat(32)).unwrap();
        std::fs::write(former.path(), before.repeat(32)).unwrap();
        gateway.restart().await;
        assert_eq!(gateway.in_session("alice", &session, Method::POST, LIST).await.status, status);
    }
}
