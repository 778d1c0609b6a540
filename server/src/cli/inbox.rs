//! How somebody on this machine reaches the server that has the store's file: a folder beside it, where requests are put
//! and answers found. Whoever may write there may write the store, too.

use super::Failure;
use crate::{
    config::store::{Medium, Store},
    issuer::{AuthorizationServer, Ended, Fault, Whose},
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

/// The folder.
#[derive(Debug)]
pub(super) struct Inbox {
    folder: PathBuf,
}

/// What can be asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    End(Whose),
    /// Other signing keys.
    Rotate,
}

/// What a server did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Ended(Ended),
    /// Whether others are on their way now that were not before.
    Rotated(bool),
    Failed(String),
}

impl Order {
    /// Does it at a server.
    pub(super) async fn carry_out(self, server: &AuthorizationServer) -> Answer {
        let failed = |fault: Fault| Answer::Failed(fault.to_string());
        match self {
            Self::End(whose) => server.revocations().revoke(whose).await.map_or_else(failed, Answer::Ended),
            Self::Rotate => server.rotate().await.map_or_else(failed, Answer::Rotated),
        }
    }
}

/// How often the folder is looked into.
const PAUSE: Duration = Duration::from_millis(200);
/// How long an answer is waited for: a disk that has much to do takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
const ASKED: &str = "asked";
const ANSWERED: &str = "answered";

impl Inbox {
    /// Beside a store in a file; none beside any other.
    pub(super) fn beside(store: &Store) -> Option<Self> {
        let Medium::File(path) = &store.medium else { return None };
        let mut name = path.file_name()?.to_owned();
        name.push(".requests");
        Some(Self { folder: path.with_file_name(name) })
    }

    /// Does what is asked for, for as long as it is polled.
    pub(super) async fn answer(&self, server: &AuthorizationServer) {
        if let Err(error) = self.make() {
            tracing::error!(%error, folder = %self.folder.display(), "nobody can ask for sign-ins to be ended");
            return std::future::pending().await;
        }
        loop {
            for request in self.requests() {
                let answer = match take(&request) {
                    Ok(order) => Order::carry_out(order, server).await,
                    Err(error) => Answer::Failed(error.to_string()),
                };
                if let Err(error) = put(&request.with_extension(ANSWERED), &answer) {
                    tracing::error!(%error, "somebody who asked cannot be answered");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks the server that has the store.
    pub(super) async fn ask(&self, order: &Order) -> Result<Answer, Failure> {
        let unwritten = |error: io::Error| {
            let remedy = "run this as the user that the server runs as";
            Failure::usage(
                format!("the server cannot be asked: {error}"),
                self.folder.display().to_string(),
                remedy,
            )
        };
        self.make().map_err(unwritten)?;
        let request = self.folder.join(format!("{}.{ASKED}", process::id()));
        let answer = request.with_extension(ANSWERED);
        // Somebody of the same number may have gone before it was answered.
        match fs::remove_file(&answer) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(error)),
            Ok(()) | Err(_) => {}
        }
        put(&request, order).map_err(unwritten)?;
        let answered = async {
            loop {
                if let Ok(answer) = take::<Answer>(&answer) {
                    return answer;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.map_err(|_| {
            // Nobody does it later, when nobody expects it any more.
            let _ = fs::remove_file(&request);
            let what = "whoever has the store open does not answer";
            Failure::usage(
                what,
                self.folder.display().to_string(),
                "look whether `countersign serve` runs there",
            )
        })
    }

    fn make(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn requests(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == ASKED))
            .collect()
    }
}

/// Whole, or not there.
fn put<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_vec(value)?)?;
    fs::rename(unfinished, path)
}

/// Reads it, and leaves nothing.
fn take<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<T> {
    let text = fs::read(path)?;
    fs::remove_file(path)?;
    Ok(serde_json::from_slice(&text)?)
}
