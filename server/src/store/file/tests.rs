use super::*;
use crate::store::{
    Store,
    contract::{
        CODES, LONG, PEOPLE, SHORT, Subject, contract, hands_of, long, records::at_once, seal, short,
    },
    ledger::{Reading, Table},
};
use countersign_fixtures::clock;
use std::{fs::Permissions, os::unix::fs::PermissionsExt};
use tempfile::{TempDir, tempdir};

contract!(subject());

async fn subject() -> Subject {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let store = opened(&folder, &clock).await;
    Subject::in_one_process(store, clock, folder)
}

async fn opened(folder: &TempDir, clock: &clock::Clock) -> Store {
    Store::in_file(File::open(folder.path().join("state/store.redb"), hands_of(clock)).await.unwrap(), seal())
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let (kept, spent, gone) = (CODES.key(&["kept"]), CODES.key(&["spent"]), CODES.key(&["gone"]));
    let index = PEOPLE.index(&["ann"]);
    let store = opened(&folder, &clock).await;
    let version =
        store.put(&kept, &"kept", &long().under(index.clone()), Expect::Absent).await.unwrap().unwrap();
    store.put(&spent, &"spent", &long(), Expect::Absent).await.unwrap().unwrap();
    store.put(&gone, &"gone", &short(), Expect::Absent).await.unwrap().unwrap();
    assert_eq!(store.take::<String>(&spent).await.unwrap().as_deref(), Some("spent"));
    assert_eq!(store.add(&kept, 3, LONG).await.unwrap(), 3);
    let held = store.lock(&kept, LONG).await.unwrap().unwrap();
    store.close().await;
    assert_eq!(store.get::<String>(&kept).await.unwrap_err().kind(), Kind::Unavailable);

    clock.advance(SHORT);
    let store = opened(&folder, &clock).await;
    let stored = store.get::<String>(&kept).await.unwrap().unwrap();
    assert_eq!((&*stored.value, stored.version), ("kept", version));
    assert_eq!(store.list::<String>(&index, None).await.unwrap().records, [stored]);
    assert_eq!(store.get::<String>(&spent).await.unwrap(), None);
    assert_eq!(store.get::<String>(&gone).await.unwrap(), None);
    assert_eq!(store.add(&kept, 1, LONG).await.unwrap(), 4);
    assert!(store.lock(&kept, LONG).await.unwrap().is_none());
    assert!(store.unlock(held).await.unwrap());
}

#[tokio::test]
async fn a_second_one_is_told_who_has_the_file() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let first = opened(&folder, &clock).await;
    let path = folder.path().join("state/store.redb");
    let error = File::open(&path, hands_of(&clock)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InUse);
    assert!(error.to_string().contains("another process"), "{error}");
    first.close().await;
    File::open(&path, hands_of(&clock)).await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let path = folder.path().join("store.redb");
    fs::write(&path, "these are notes, and no store\n".repeat(1_000)).unwrap();
    let error = File::open(&path, hands_of(&clock)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setting);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("store.redb"), "{cause}");
    let error = File::open(folder.path(), hands_of(&clock)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setting, "a folder");
}

#[tokio::test]
async fn the_file_is_for_its_user_only() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let _store = opened(&folder, &clock).await;
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions();
    assert_eq!(mode("state/store.redb"), Permissions::from_mode(0o100_600));
    assert_eq!(mode("state"), Permissions::from_mode(0o040_700));
}

#[tokio::test]
async fn no_byte_of_the_file_tells_a_secret() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let store = opened(&folder, &clock).await;
    let secrets: Vec<_> =
        (0..50).map(|number| format!("s3cr3t-{number:02}-SplxlOBeZQQYbYS6WxSbIA")).collect();
    let person = "ann.example@login.example.com";
    for secret in &secrets {
        let terms = long().under(PEOPLE.index(&[person]));
        store.put(&CODES.key(&[secret]), secret, &terms, Expect::Absent).await.unwrap().unwrap();
        store.add(&CODES.key(&[secret]), 1, LONG).await.unwrap();
        let held = store.lock(&CODES.key(&[secret]), LONG).await.unwrap().unwrap();
        store.unlock(held).await.unwrap();
    }
    store.take::<String>(&CODES.key(&[&secrets[0]])).await.unwrap().unwrap();
    store.close().await;
    let bytes = fs::read(folder.path().join("state/store.redb")).unwrap();
    assert!(contains(&bytes, b"codes:"), "this is where they are");
    for secret in secrets.iter().map(String::as_str).chain(["s3cr3t", "SplxlOBeZQQY", person, "ann.example"])
    {
        assert!(!contains(&bytes, secret.as_bytes()), "{secret}");
    }
}

#[tokio::test]
async fn what_has_expired_leaves_the_file() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let store = opened(&folder, &clock).await;
    at_once(600, |number| {
        let (store, terms) = (store.clone(), short().under(PEOPLE.index(&["ann"])));
        async move {
            let key = CODES.key(&[&number.to_string()]);
            store.put(&key, &number, &terms, Expect::Absent).await.unwrap().unwrap();
            store.add(&key, 1, SHORT).await.unwrap();
        }
    })
    .await;
    clock.advance(SHORT);
    // Each write also clears away.
    for _ in 0..3 {
        store.put(&CODES.key(&["last"]), &"last", &long(), Expect::Anything).await.unwrap().unwrap();
    }
    store.close().await;
    let database = Database::open(folder.path().join("state/store.redb")).unwrap();
    let rows = Snapshot::of(&database).unwrap();
    let left = rows.ended(u64::MAX, 10).unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(rows.members(PEOPLE.index(&["ann"]).as_str(), None, 10).unwrap().is_empty());
    for number in 0..600 {
        let key = CODES.key(&[&number.to_string()]);
        assert_eq!(rows.row(Table::Records, key.as_str()).unwrap(), None);
        assert_eq!(rows.row(Table::Counters, key.as_str()).unwrap(), None);
    }
}

#[tokio::test]
async fn an_idle_store_clears_away_what_has_expired() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let path = folder.path().join("store.redb");
    let file = File::pausing(path, hands_of(&clock), Duration::from_millis(10)).await.unwrap();
    let version = Version::from_bytes([1; 16]);
    let key = CODES.key(&["a"]);
    assert!(file.put(&key, version, b"sealed".to_vec(), &short(), Expect::Absent).await.unwrap());
    clock.advance(SHORT);
    let cleared = async {
        while !file.read(|rows| rows.ended(u64::MAX, 1)).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cleared).await.unwrap();
}

#[tokio::test]
async fn what_has_expired_gives_its_room_back() {
    let (folder, clock) = (tempdir().unwrap(), clock::Clock::default());
    let store = opened(&folder, &clock).await;
    let large = "x".repeat(250 * 1024);
    for number in 0..60 {
        store
            .put(&CODES.key(&[&number.to_string()]), &large, &long(), Expect::Absent)
            .await
            .unwrap()
            .unwrap();
    }
    let longer = Terms::lasting(2 * LONG);
    store.put(&CODES.key(&["last"]), &"last", &longer, Expect::Absent).await.unwrap().unwrap();
    let size = || fs::metadata(folder.path().join("state/store.redb")).unwrap().len();
    let before = size();
    assert!(before > 60 * 250 * 1024, "{before}");
    clock.advance(LONG);
    assert_eq!(store.add(&CODES.key(&["last"]), 1, LONG).await.unwrap(), 1);
    store.close().await;
    assert!(size() < before / 4, "{before} bytes became {}", size());
    let store = opened(&folder, &clock).await;
    assert_eq!(store.get::<String>(&CODES.key(&["last"])).await.unwrap().unwrap().value, "last");
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|seen| seen == wanted)
}
