//! What the rest of the server uses: values of any type, sealed on their way in.

use super::{
    engine::Engine,
    error::{Error, Kind},
    file::File,
    key::{Index, Key, Namespace},
    memory::Memory,
    notice::{Heard, Listener},
    record::{Cursor, Expect, Fence, Found, Kept, Terms, Version},
    redis::Redis,
    seal::Seal,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use std::{marker::PhantomData, sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// The server's memory: records that end, each with a version; counters; locks; notices.
///
/// Cloning is cheap, and all clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    medium: Arc<Medium>,
    seal: Arc<Seal>,
}

/// A record, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored<T> {
    pub(crate) key: Key,
    pub(crate) version: Version,
    pub(crate) value: T,
}

/// Some of what is found under an index.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) records: Vec<Stored<T>>,
    pub(crate) next: Option<Cursor>,
}

/// The lock of one key, for a while.
///
/// It does not release itself: whoever forgets it makes others wait for the end of the lease.
#[must_use = "a lock that nobody releases lasts as long as its lease"]
#[derive(Debug)]
pub(crate) struct Held {
    key: Key,
    fence: Fence,
}

/// What a channel says, from now on.
#[derive(Debug)]
pub(crate) struct Notices<T> {
    store: Store,
    channel: Namespace,
    listener: Listener,
    of: PhantomData<fn() -> T>,
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice<T> {
    Message(T),
    /// Something may have been said that did not arrive: look at the records again.
    Missed,
}

#[derive(Debug)]
enum Medium {
    Memory(Memory),
    File(File),
    Redis(Redis),
}

/// A record is a token or two and what belongs to them.
const LARGEST: usize = 256 * 1024;

/// Does the same with whichever engine it is: each is a type of its own, so that nothing is boxed.
macro_rules! on {
    ($store:expr, $engine:ident => $does:expr) => {
        match &*$store.medium {
            Medium::Memory($engine) => $does,
            Medium::File($engine) => $does,
            Medium::Redis($engine) => $does,
        }
    };
}

impl Store {
    pub(crate) fn in_memory(memory: Memory, seal: Seal) -> Self {
        Self::on(Medium::Memory(memory), seal)
    }

    pub(crate) fn in_file(file: File, seal: Seal) -> Self {
        Self::on(Medium::File(file), seal)
    }

    pub(crate) fn in_redis(redis: Redis, seal: Seal) -> Self {
        Self::on(Medium::Redis(redis), seal)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, Error> {
        let kept = on!(self, engine => engine.get(key).await)?;
        kept.map(|kept| self.opened(kept)).transpose()
    }

    /// The new version, unless what was expected is not so.
    pub(crate) async fn put<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        terms: &Terms,
        expect: Expect,
    ) -> Result<Option<Version>, Error> {
        let version = Version::new()?;
        let value = self.sealed(key.as_str(), value)?;
        let written = on!(self, engine => engine.put(key, version, value, terms, expect).await)?;
        Ok(written.then_some(version))
    }

    /// Reads and removes at once: of any number of callers, one gets it.
    pub(crate) async fn take<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        let kept = on!(self, engine => engine.remove(key, Expect::Anything).await)?;
        Ok(kept.map(|kept| self.opened(kept)).transpose()?.map(|stored| stored.value))
    }

    /// Whether it was removed.
    pub(crate) async fn remove(&self, key: &Key, expect: Expect) -> Result<bool, Error> {
        Ok(on!(self, engine => engine.remove(key, expect).await)?.is_some())
    }

    /// A page of what is found under `index`. What is written or removed meanwhile may be on a page, or on two.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        index: &Index,
        from: Option<&Cursor>,
    ) -> Result<Page<T>, Error> {
        let Found { records, next } = on!(self, engine => engine.list(index, from).await)?;
        let records = records.into_iter().map(|kept| self.opened(kept)).collect::<Result<_, _>>()?;
        Ok(Page { records, next })
    }

    /// Removes what is found under `index`, and says how much that was. What is written under it meanwhile may stay.
    pub(crate) async fn remove_all(&self, index: &Index) -> Result<u64, Error> {
        let (mut removed, mut from) = (0, None);
        loop {
            let found = on!(self, engine => engine.list(index, from.as_ref()).await)?;
            let mut moved = false;
            for kept in &found.records {
                // What somebody wrote anew meanwhile may not be under this index any more.
                let gone = self.remove(&kept.key, Expect::Version(kept.version)).await?;
                removed += u64::from(gone);
                moved |= !gone;
            }
            match found.next {
                _ if moved => {}
                Some(next) => from = Some(next),
                None => return Ok(removed),
            }
        }
    }

    /// Sets a number that only grows, and says what it is then.
    pub(crate) async fn raise(&self, key: &Key, to: u64, terms: &Terms) -> Result<u64, Error> {
        loop {
            let expect = match self.get::<u64>(key).await? {
                Some(stored) if stored.value >= to => return Ok(stored.value),
                Some(stored) => Expect::Version(stored.version),
                None => Expect::Absent,
            };
            if self.put(key, &to, terms, expect).await?.is_some() {
                return Ok(to);
            }
        }
    }

    /// The counter after adding. It starts again `lifetime` after its first addition.
    pub(crate) async fn add(&self, key: &Key, by: u32, lifetime: Duration) -> Result<u64, Error> {
        on!(self, engine => engine.add(key, by, lifetime).await)
    }

    /// The lock of `key`, unless somebody else has it. Writes that expect [`Held::fence`] fail as soon as somebody got
    /// the lock later.
    pub(crate) async fn lock(&self, key: &Key, lease: Duration) -> Result<Option<Held>, Error> {
        let fence = on!(self, engine => engine.lock(key, lease).await)?;
        Ok(fence.map(|fence| Held { key: key.clone(), fence }))
    }

    /// Whether it was held until now: otherwise somebody else may have worked meanwhile.
    pub(crate) async fn unlock(&self, held: Held) -> Result<bool, Error> {
        on!(self, engine => engine.unlock(&held.key, held.fence).await)
    }

    /// Tells all who listen, on every replica that shares the store.
    pub(crate) async fn publish<T: Serialize>(&self, channel: Namespace, message: &T) -> Result<(), Error> {
        let message = self.sealed(channel.name(), message)?;
        on!(self, engine => engine.publish(channel, message).await)
    }

    /// Hears what is said from now on. Whoever keeps what records say listens first, and reads them then.
    pub(crate) async fn listen<T: DeserializeOwned>(&self, channel: Namespace) -> Result<Notices<T>, Error> {
        let listener = on!(self, engine => engine.listen(channel).await)?;
        Ok(Notices { store: self.clone(), channel, listener, of: PhantomData })
    }

    /// A value that somebody else carries and nobody but this server reads, as text for an address.
    pub(crate) fn seal_for<T: Serialize>(&self, purpose: Namespace, value: &T) -> Result<String, Error> {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(self.sealed(purpose.name(), value)?))
    }

    /// What was sealed for `purpose`; `None` of anything else.
    pub(crate) fn opened_for<T: DeserializeOwned>(&self, purpose: Namespace, text: &str) -> Option<T> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        self.open(purpose.name(), &sealed).ok()
    }

    /// Whether other servers may look into it at the same time.
    pub(crate) fn may_be_shared(&self) -> bool {
        !matches!(*self.medium, Medium::File(_))
    }

    /// Ends it where that takes a while. Nothing acknowledged depends on it.
    pub(crate) async fn close(&self) {
        if let Medium::File(file) = &*self.medium {
            file.close().await;
        }
    }

    /// The same records, looked at with other keys.
    #[cfg(test)]
    pub(super) fn with_seal(&self, seal: Seal) -> Self {
        Self { seal: Arc::new(seal), ..self.clone() }
    }

    fn on(medium: Medium, seal: Seal) -> Self {
        Self { medium: Arc::new(medium), seal: Arc::new(seal) }
    }

    fn sealed<T: Serialize>(&self, place: &str, value: &T) -> Result<Vec<u8>, Error> {
        let mut plain = Zeroizing::new(Vec::with_capacity(4 * 1024));
        serde_json::to_writer(&mut *plain, value)
            .map_err(|error| Error::new(Kind::Defect, "a value cannot be written as JSON").because(error))?;
        if plain.len() > LARGEST {
            return Err(Error::new(
                Kind::TooLarge,
                "a value is larger than the 256 KiB that a record may have",
            ));
        }
        self.seal.seal(place, plain)
    }

    fn opened<T: DeserializeOwned>(&self, kept: Kept) -> Result<Stored<T>, Error> {
        let value = self.open(kept.key.as_str(), &kept.value)?;
        Ok(Stored { key: kept.key, version: kept.version, value })
    }

    fn open<T: DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T, Error> {
        let plain = self.seal.open(place, sealed)?;
        // Its own message would quote what it found.
        serde_json::from_slice(&plain).map_err(|_| {
            Error::new(
                Kind::Unreadable,
                "a stored value is of another form than this version of the server reads",
            )
        })
    }
}

impl Held {
    /// The lock that was handed over by its number.
    pub(super) const fn of(key: Key, fence: Fence) -> Self {
        Self { key, fence }
    }

    /// Goes into [`Expect::Held`].
    pub(crate) const fn fence(&self) -> Fence {
        self.fence
    }
}

impl<T: DeserializeOwned> Notices<T> {
    /// The next thing said. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Notice<T> {
        match self.listener.heard().await {
            Heard::Message(sealed) => match self.store.open(self.channel.name(), &sealed) {
                Ok(message) => Notice::Message(message),
                Err(error) => {
                    tracing::warn!(channel = self.channel.name(), %error, "a notice could not be opened");
                    Notice::Missed
                }
            },
            Heard::Missed => Notice::Missed,
        }
    }
}
