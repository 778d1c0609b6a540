//! A process that is killed in the middle of its writing, again and again.

use super::File;
use crate::store::{
    Expect, Key, Store,
    contract::{CODES, PEOPLE, hands_of, long, seal},
};
use countersign_fixtures::clock::Clock;
use std::{
    collections::BTreeMap,
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    task::JoinSet,
};

/// Names the file, and makes this test program the one that is killed.
const PATH: &str = "COUNTERSIGN_TEST_CRASHING_STORE";
const FIRST: &str = "COUNTERSIGN_TEST_FIRST_CODE";
const ROUNDS: u64 = 20;
const WRITERS: u64 = 8;

/// What the killed process said of a code: the last of these holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Put,
    Taking,
    Taken,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_spent_comes_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut codes = BTreeMap::new();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let lines = killed_after(&path, round).await;
        for line in &lines {
            let Some((what, number)) = line.split_once(' ') else { continue };
            let number: u64 = number.parse().unwrap();
            match what {
                "put" => drop(codes.insert(number, Said::Put)),
                "taking" => drop(codes.insert(number, Said::Taking)),
                "taken" => drop(codes.insert(number, Said::Taken)),
                "sum" => acknowledged = acknowledged.max(number),
                other => panic!("{other} was said"),
            }
        }
        let store = opened(&path).await;
        for (number, said) in &codes {
            let there = store.get::<u64>(&code(*number)).await.unwrap().map(|stored| stored.value);
            match said {
                Said::Put => assert_eq!(there, Some(*number), "round {round}: acknowledged, and lost"),
                Said::Taken => assert_eq!(there, None, "round {round}: spent, and there again"),
                Said::Taking => assert!(there.is_none_or(|value| value == *number), "round {round}"),
            }
        }
        assert_found(&store, &codes).await;
        let sum = store.get::<u64>(&sum()).await.unwrap().map_or(0, |stored| stored.value);
        assert!(sum >= acknowledged, "round {round}: {sum} of {acknowledged} additions");
        store.close().await;
    }
    let count = |wanted| codes.values().filter(|said| **said == wanted).count();
    println!("{} put, {} taken, {} unknown", count(Said::Put), count(Said::Taken), count(Said::Taking));
    assert!(count(Said::Put) > 100 && count(Said::Taken) > 100, "it has to be killed in the middle of much");
}

/// Not a test by itself: the process that the test above starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer() {
    let (Some(path), Ok(first)) = (env::var_os(PATH), env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = opened(&PathBuf::from(path)).await;
    store.raise(&sum(), 0, &long()).await.unwrap();
    let mut writing = JoinSet::new();
    for task in 0..WRITERS {
        let store = store.clone();
        writing.spawn(async move {
            for number in (first + task..).step_by(usize::try_from(WRITERS).unwrap()) {
                let terms = long().under(PEOPLE.index(&["ann"]));
                store.put(&code(number), &number, &terms, Expect::Absent).await.unwrap().unwrap();
                say("put", number);
                if number.is_multiple_of(3) {
                    continue;
                }
                say("taking", number);
                assert_eq!(store.take::<u64>(&code(number)).await.unwrap(), Some(number));
                say("taken", number);
                add_one(&store).await;
            }
        });
    }
    writing.join_all().await;
}

/// Lets a process write, kills it, and returns what it acknowledged.
async fn killed_after(path: &Path, round: u64) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "store::file::crash::writer", "--nocapture"])
        .env(PATH, path)
        .env(FIRST, (round * 1_000_000).to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let wanted = 40 + 17 * usize::try_from(round).unwrap();
    let mut lines = Vec::new();
    let mut killed = false;
    loop {
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        // What ends without a line break was not said to its end.
        let Some(line) = line.strip_suffix('\n') else { break };
        if let Some(said) = line.strip_prefix("said: ") {
            lines.push(said.to_owned());
        }
        if lines.len() >= wanted && !killed {
            child.start_kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().await.unwrap();
    assert!(killed && status.code().is_none(), "round {round}: it ended by itself: {status}, {lines:?}");
    lines
}

async fn opened(path: &Path) -> Store {
    Store::in_file(File::open(path, hands_of(&Clock::default())).await.unwrap(), seal())
}

async fn assert_found(store: &Store, codes: &BTreeMap<u64, Said>) {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = store.list::<u64>(&PEOPLE.index(&["ann"]), from.as_ref()).await.unwrap();
        found.extend(page.records.iter().map(|stored| stored.value));
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    for (number, said) in codes {
        match said {
            Said::Put => assert!(found.contains(number), "the index lost {number}"),
            Said::Taken => assert!(!found.contains(number), "the index found {number} again"),
            Said::Taking => {}
        }
    }
}

async fn add_one(store: &Store) {
    loop {
        let stored = store.get::<u64>(&sum()).await.unwrap().unwrap();
        let expect = Expect::Version(stored.version);
        if store.put(&sum(), &(stored.value + 1), &long(), expect).await.unwrap().is_some() {
            return say("sum", stored.value + 1);
        }
    }
}

fn code(number: u64) -> Key {
    CODES.key(&[&number.to_string()])
}

fn sum() -> Key {
    CODES.key(&["sum"])
}

fn say(what: &str, number: u64) {
    let mut output = io::stdout().lock();
    writeln!(output, "said: {what} {number}").unwrap();
    output.flush().unwrap();
}
