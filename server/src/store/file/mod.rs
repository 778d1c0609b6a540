//! One file, for one process: the default. What is acknowledged is on disk.
//!
//! redb keeps it: pure Rust, under active maintenance, MIT or Apache-2.0, with a stable file format. It is a
//! copy-on-write B-tree with checksums and two roots: a crash at any moment leaves one root whole, and a commit returns
//! after `fsync`. Its one-phase commit trusts a checksum that somebody who writes chosen bytes could forge; nobody can
//! here, since every value is sealed.

#[cfg(test)]
mod crash;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use self::{
    tables::{Batch, Fault, Snapshot},
    writer::{Job, Step},
};
use super::{
    engine::Engine,
    error::{Error, Kind},
    key::{Index, Key, Namespace},
    ledger::{self, Now},
    notice::{Channels, Listener},
    record::{Cursor, Expect, Fence, Found, Kept, Terms, Version},
};
use countersign::clock::Clock;
use redb::{Database, DatabaseError, backends::FileBackend};
use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, oneshot},
    task,
};

/// Keeps everything in one file.
pub(crate) struct File {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    /// How many steps may wait to be written.
    places: Arc<Semaphore>,
    channels: Channels,
    clock: Arc<dyn Clock>,
}

struct Open {
    database: Arc<Database>,
    jobs: mpsc::Sender<Box<dyn Job>>,
    writer: thread::JoinHandle<()>,
}

const WAITING: usize = 1_024;
/// How long an idle store lets pass before it clears away what has expired.
const PAUSE: Duration = Duration::from_secs(10);
/// What redb keeps of the file in memory.
const CACHE: usize = 32 * 1024 * 1024;

impl File {
    /// Opens the file, or makes it (and the folders it is in) for this user only.
    pub(crate) async fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::pausing(path.into(), clock, PAUSE).await
    }

    async fn pausing(path: PathBuf, clock: Arc<dyn Clock>, pause: Duration) -> Result<Self, Error> {
        let open = {
            let (path, clock) = (path.clone(), Arc::clone(&clock));
            blocking(move || Open::new(&path, clock, pause)).await?
        };
        let places = Arc::new(Semaphore::new(WAITING));
        Ok(Self { path, open: Mutex::new(Some(open)), places, channels: Channels::default(), clock })
    }

    /// Waits for what is being written, and lets go of the file.
    pub(crate) async fn close(&self) {
        let open = self.locked().take();
        let Some(Open { database, jobs, writer }) = open else { return };
        drop(jobs);
        let ended = task::spawn_blocking(move || {
            let ended = writer.join();
            drop(database);
            ended
        });
        if !matches!(ended.await, Ok(Ok(()))) {
            tracing::error!(path = %self.path.display(), "the store's writer ended badly");
        }
    }

    fn now(&self) -> Now {
        Now::at(self.clock.now())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is on disk, and nothing that is not.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let database = self.locked().as_ref().map(|open| Arc::clone(&open.database)).ok_or_else(closed)?;
        blocking(move || Snapshot::of(&database).and_then(|rows| read(&rows)).map_err(unread)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Batch<'_>, Now) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let (waiting, told) = oneshot::channel();
        let sent =
            self.locked().as_ref().map(|open| open.jobs.send(Box::new(Step::new(step, waiting, place))));
        sent.ok_or_else(closed)?.map_err(|_| closed())?;
        told.await.map_err(|_| closed())?
    }
}

impl Open {
    fn new(path: &Path, clock: Arc<dyn Clock>, pause: Duration) -> Result<Self, Error> {
        let refused = |error: DatabaseError| not_opened(path, &error);
        let file = created(path).map_err(|error| refused(error.into()))?;
        let backend = FileBackend::new(file).map_err(refused)?;
        let database =
            Database::builder().set_cache_size(CACHE).create_with_backend(backend).map_err(refused)?;
        let transaction = database.begin_write().map_err(|error| unread(error.into()))?;
        if !tables::prepare(&transaction).map_err(unread)? {
            let what =
                "the store's file was written by a later version; start that one, or name another file";
            return Err(Error::new(Kind::Setting, what).because(path.display().to_string()));
        }
        transaction.commit().map_err(|error| unread(Fault::Storage(Box::new(error.into()))))?;
        let database = Arc::new(database);
        let (jobs, received) = mpsc::channel();
        let writer = {
            let database = Arc::clone(&database);
            let work = move || writer::work(&database, &*clock, &received, pause);
            thread::Builder::new()
                .name("store".to_owned())
                .spawn(work)
                .map_err(|error| refused(error.into()))?
        };
        Ok(Self { database, jobs, writer })
    }
}

impl Engine for File {
    async fn get(&self, key: &Key) -> Result<Option<Kept>, Error> {
        let (now, key) = (self.now(), key.clone());
        self.read(move |rows| ledger::get(rows, now, &key)).await
    }

    async fn put(
        &self,
        key: &Key,
        version: Version,
        value: Vec<u8>,
        terms: &Terms,
        expect: Expect,
    ) -> Result<bool, Error> {
        let (key, terms) = (key.clone(), terms.clone());
        self.write(move |rows, now| ledger::put(rows, now, &key, (version, &value), &terms, expect)).await
    }

    async fn remove(&self, key: &Key, expect: Expect) -> Result<Option<Kept>, Error> {
        let key = key.clone();
        self.write(move |rows, now| ledger::remove(rows, now, &key, expect)).await
    }

    async fn list(&self, index: &Index, from: Option<&Cursor>) -> Result<Found, Error> {
        let (now, index, from) = (self.now(), index.clone(), from.cloned());
        self.read(move |rows| ledger::list(rows, now, &index, from.as_ref())).await
    }

    async fn add(&self, key: &Key, by: u32, lifetime: Duration) -> Result<u64, Error> {
        let key = key.clone();
        self.write(move |rows, now| ledger::add(rows, now, &key, by, lifetime)).await
    }

    async fn lock(&self, key: &Key, lease: Duration) -> Result<Option<Fence>, Error> {
        let key = key.clone();
        self.write(move |rows, now| ledger::lock(rows, now, &key, lease)).await
    }

    async fn unlock(&self, key: &Key, fence: Fence) -> Result<bool, Error> {
        let key = key.clone();
        self.write(move |rows, _| ledger::unlock(rows, &key, fence)).await
    }

    async fn publish(&self, channel: Namespace, message: Vec<u8>) -> Result<(), Error> {
        self.channels.publish(channel, &message);
        Ok(())
    }

    async fn listen(&self, channel: Namespace) -> Result<Listener, Error> {
        Ok(self.channels.listen(channel))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

fn created(path: &Path) -> io::Result<fs::File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file =
        fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // Its name has to survive a crash, too.
    fs::File::open(folder)?.sync_all()?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    task::spawn_blocking(work).await.map_err(|_| closed())?
}

fn not_opened(path: &Path, error: &DatabaseError) -> Error {
    let (kind, what) = if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        (
            Kind::InUse,
            "another process has the store's file open; stop it, or let both share a Redis instead of a file",
        )
    } else if matches!(error, DatabaseError::Storage(redb::StorageError::Corrupted(_))) {
        (Kind::Unreadable, "the store's file is damaged; restore a copy, or name another file")
    } else {
        (Kind::Setting, "the store's file cannot be opened; it has to be a file that this user may write")
    };
    Error::new(kind, what).because(format!("{}: {error}", path.display()))
}

fn unread(fault: Fault) -> Error {
    match fault {
        Fault::Damaged(damaged) => Error::unreadable().because(damaged),
        Fault::Storage(error) => {
            Error::new(Kind::Unavailable, "the store's file cannot be read").because(error)
        }
    }
}

fn closed() -> Error {
    Error::new(Kind::Unavailable, "the store is closed")
}
