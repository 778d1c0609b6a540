//! What is kept is its owner's, is sealed, and is neither overwritten nor brought back by who came too late.

use super::*;
use crate::store::{
    File, Kind, Memory,
    contract::{hands_of, seal},
};
use countersign_fixtures::clock::Clock;
use tempfile::tempdir;

const LEASE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

fn account(subject: &str) -> Account {
    Account::new("https://login.example.com", subject, None, "github")
}

/// Everything that a connection can have.
fn connection(now: SystemTime) -> Connection {
    let claims = serde_json::json!({"login": "alice"});
    Connection::new("s3cr3t-access".into(), now)
        .with_expires(now + HOUR)
        .with_refresh_token("s3cr3t-refresh".into())
        .with_id_token("s3cr3t-id".into(), Some(now + HOUR / 2))
        .with_claims(claims.as_object().unwrap().clone())
}

fn text(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

fn in_memory(clock: &Clock) -> Connections {
    Connections::new(Store::in_memory(Memory::new(hands_of(clock), 1_000), seal()))
}

#[tokio::test]
async fn what_was_connected_comes_back_whole_and_to_its_owner() {
    let clock = Clock::default();
    let (connections, now) = (in_memory(&clock), clock.now());
    connections.connect(&account("alice"), &connection(now)).await.unwrap();
    let kept = connections.load(&account("alice")).await.unwrap().unwrap();
    assert_eq!(kept.access_token().expose_secret(), "s3cr3t-access");
    assert_eq!(text(kept.refresh_token()), Some("s3cr3t-refresh"));
    assert_eq!(text(kept.id_token()), Some("s3cr3t-id"));
    assert_eq!(kept.claims().unwrap()["login"], "alice");
    for (told, meant) in [
        (kept.expires(), now + HOUR),
        (kept.id_token_expires(), now + HOUR / 2),
        (Some(kept.obtained()), now),
    ] {
        assert!(
            meant.duration_since(told.unwrap()).unwrap() < Duration::from_secs(1),
            "whole seconds are kept"
        );
    }
    assert!(!kept.is_being_renewed());
    let others = [
        account("bob"),
        Account::new("https://elsewhere.example", "alice", None, "github"),
        Account::new("https://login.example.com", "alice", Some(""), "github"),
        Account::new("https://login.example.com", "alice", Some("desktop"), "github"),
        Account::new("https://login.example.com", "alice", None, "slack"),
    ];
    for other in others {
        assert!(connections.load(&other).await.unwrap().is_none(), "{other:?}");
    }
}

#[tokio::test]
async fn who_comes_too_late_changes_nothing() {
    let clock = Clock::default();
    let (connections, alice, now) = (in_memory(&clock), account("alice"), clock.now());
    let renewed = Connection::new("renewed".into(), now);
    connections.connect(&alice, &connection(now)).await.unwrap();

    let first = connections.lease(&alice, LEASE).await.unwrap().unwrap();
    assert!(connections.lease(&alice, LEASE).await.unwrap().is_none());
    clock.advance(LEASE + Duration::from_secs(1));
    let second = connections.lease(&alice, LEASE).await.unwrap().unwrap();
    assert_eq!(connections.replace(&alice, first, &renewed).await.unwrap(), Written::Superseded);
    assert_eq!(connections.remove(&alice, first).await.unwrap(), Written::Superseded);
    let noted = connection(now).being_renewed();
    assert_eq!(connections.replace(&alice, second, &noted).await.unwrap(), Written::Done);
    assert!(connections.load(&alice).await.unwrap().unwrap().is_being_renewed());

    // Revoked meanwhile: what a renewal brings is not wanted any more.
    assert_eq!(connections.forget_person("https://login.example.com", "alice").await.unwrap(), 1);
    assert_eq!(connections.replace(&alice, second, &renewed).await.unwrap(), Written::Superseded);
    assert!(connections.load(&alice).await.unwrap().is_none());
    connections.release(&alice, second).await.unwrap();

    // Connected anew meanwhile, after the lease: what the person gave stays.
    let third = connections.lease(&alice, LEASE).await.unwrap().unwrap();
    clock.advance(LEASE + Duration::from_secs(1));
    connections.connect(&alice, &connection(now)).await.unwrap();
    assert_eq!(connections.replace(&alice, third, &renewed).await.unwrap(), Written::Superseded);
    assert_eq!(
        connections.load(&alice).await.unwrap().unwrap().access_token().expose_secret(),
        "s3cr3t-access"
    );
}

#[tokio::test]
async fn who_connects_an_account_waits_for_whoever_renews_it() {
    let clock = Clock::default();
    let (connections, alice, now) = (in_memory(&clock), account("alice"), clock.now());
    connections.connect(&alice, &Connection::new("old".into(), now)).await.unwrap();
    let lease = connections.lease(&alice, LEASE).await.unwrap().unwrap();
    let anew = connection(now);
    let connecting = connections.connect(&alice, &anew);
    tokio::pin!(connecting);
    tokio::select! {
        biased;
        done = &mut connecting => panic!("somebody else has it: {done:?}"),
        () = tokio::time::sleep(PAUSE * 3) => {}
    }
    assert_eq!(
        connections.replace(&alice, lease, &Connection::new("late".into(), now)).await.unwrap(),
        Written::Done
    );
    connections.release(&alice, lease).await.unwrap();
    connecting.await.unwrap();
    assert_eq!(
        connections.load(&alice).await.unwrap().unwrap().access_token().expose_secret(),
        "s3cr3t-access"
    );
}

#[tokio::test]
async fn an_account_ends_when_nobody_uses_it() {
    let clock = Clock::default();
    let (connections, now) = (in_memory(&clock), clock.now());
    let brief = Connection::new("brief".into(), now).with_expires(now + HOUR);
    connections.connect(&account("bob"), &brief).await.unwrap();
    connections.connect(&account("alice"), &connection(now)).await.unwrap();
    clock.advance(HOUR + Duration::from_secs(1));
    assert!(connections.load(&account("bob")).await.unwrap().is_none(), "it ended, and nothing renews it");
    assert!(connections.load(&account("alice")).await.unwrap().is_some());
    clock.advance(UNUSED);
    assert!(connections.load(&account("alice")).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_of_it_can_be_read_at_rest() {
    let (folder, clock) = (tempdir().unwrap(), Clock::default());
    let path = folder.path().join("store.redb");
    let store = Store::in_file(File::open(&path, hands_of(&clock)).await.unwrap(), seal());
    let connections = Connections::new(store.clone());
    connections.connect(&account("alice.of.example"), &connection(clock.now())).await.unwrap();
    store.close().await;
    let bytes = std::fs::read(&path).unwrap();
    for secret in ["s3cr3t", "alice.of", "login.example.com", "github"] {
        let seen = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!seen, "{secret} is on the disk");
    }
    let store = Store::in_file(File::open(&path, hands_of(&clock)).await.unwrap(), seal());
    let other = Store::with_seal(
        &store,
        crate::store::Seal::new(crate::store::SealingKey::random().unwrap(), Vec::new()),
    );
    assert!(Connections::new(store).load(&account("alice.of.example")).await.unwrap().is_some());
    let error = Connections::new(other).load(&account("alice.of.example")).await.unwrap_err();
    assert_eq!(error.downcast::<Error>().unwrap().kind(), Kind::Unreadable);
}
