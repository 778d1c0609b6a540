//! A Redis that any number of replicas share: one alone, watched by sentinels, or a cluster.
//!
//! Redis judges what has expired, by its own clock. Each script has its keys in one slot: a record, and the lock of the
//! same key. An index is in another slot, so it cannot be written in the same step. Therefore an entry comes before the
//! record that it finds, and goes after it; it names the very write that it is for, so that clearing it away never hits
//! a later one; and a record says itself under what it is found. A crash in between leaves an entry that finds nothing,
//! which ends by itself.
//!
//! What can be sent twice without harm is sent again when its answer is lost. A removal is not, and neither is an
//! addition: its caller learns that the outcome is unknown. In a cluster the client repeats by itself whatever a lost
//! node left unanswered, so there a removal may find nothing because it happened the first time: a code is refused
//! then, and never accepted twice.
//!
//! ```text
//! <prefix>:r:{<key>}    hash: v version, d sealed value, i names of indexes
//! <prefix>:l:{<key>}    hash: f newest fence, u end of the lease, o who asked for it
//! <prefix>:c:{<key>}    counter
//! <prefix>:i:{<index>}  sorted set of <key>:<version>, by when they end
//! <prefix>:n:<channel>  notices
//! ```

mod link;
mod listener;
mod settings;

pub(super) use self::listener::Listener;
#[allow(unused_imports, reason = "the configuration names them")]
pub(crate) use self::settings::{Address, Credentials, Deployment, Patience, Prefix, Settings, Tls};

use self::link::{Link, Repeat, Request};
use super::{
    engine::Engine,
    error::{Error, Kind},
    key::{Index, Key, Namespace},
    ledger::FENCE_KEPT,
    notice,
    record::{Cursor, Expect, Fence, Found, Kept, PAGE, Terms, Version},
};
use futures_util::future::{join_all, try_join_all};
use redis::{RedisError, Script, Value, cmd};
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

/// Keeps everything in a Redis.
pub(crate) struct Redis {
    link: Arc<Link>,
    prefix: Prefix,
    scripts: Scripts,
}

struct Scripts {
    put: Script,
    remove: Script,
    enter: Script,
    add: Script,
    lock: Script,
    unlock: Script,
}

type Fields = (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);

/// Entries outlast their records by this much, so that clocks of two nodes may differ.
const SLACK: Duration = Duration::from_secs(60);

impl Redis {
    /// Connects, and looks whether this Redis keeps what it is given.
    pub(crate) async fn connect(settings: &Settings) -> Result<Self, Error> {
        let link = Arc::new(Link::new(settings.source()?, settings.patience));
        let scripts = Scripts {
            put: Script::new(include_str!("put.lua")),
            remove: Script::new(include_str!("remove.lua")),
            enter: Script::new(include_str!("enter.lua")),
            add: Script::new(include_str!("add.lua")),
            lock: Script::new(include_str!("lock.lua")),
            unlock: Script::new(include_str!("unlock.lua")),
        };
        let redis = Self { link, prefix: settings.prefix.clone(), scripts };
        redis.refuse_eviction().await?;
        Ok(redis)
    }

    /// A Redis that drops valid records when memory is short forgets what was spent and who was revoked.
    async fn refuse_eviction(&self) -> Result<(), Error> {
        let about: Value = self.link.ask(Request::Command(cmd("INFO").arg("memory")), Repeat::Again).await?;
        let told = texts(&about).concat();
        let of = |name: &str| told.lines().filter_map(move |line| line.trim().strip_prefix(name)).collect();
        let (limits, policies): (Vec<_>, Vec<_>) = (of("maxmemory:"), of("maxmemory_policy:"));
        if limits.iter().all(|limit| *limit == "0") || policies.iter().all(|policy| *policy == "noeviction") {
            return Ok(());
        }
        Err(Error::new(
            Kind::Setting,
            "this redis drops records that are still valid when its memory is full; set maxmemory-policy noeviction",
        ))
    }

    async fn fields(&self, key: &Key) -> Result<Fields, Error> {
        let mut read = cmd("HMGET");
        read.arg(self.record(key)).arg(&["v", "d", "i"]);
        self.link.ask(Request::Command(&read), Repeat::Again).await
    }

    async fn enter(&self, index: &str, entry: &str, lifetime: Duration) -> Result<(), Error> {
        let lasts = millis(lifetime.saturating_add(SLACK));
        let mut script = self.scripts.enter.prepare_invoke();
        script.key(self.index(index)).arg(entry).arg(lasts);
        self.link.ask(Request::Script(&script), Repeat::Again).await
    }

    /// Clears away the entries of one write. What stays finds nothing, and ends by itself.
    async fn leave(&self, key: &Key, version: &[u8], indexes: impl IntoIterator<Item = &str>) {
        let Ok(version) = version.try_into() else { return };
        let entry = entry(key, Version::from_bytes(version));
        let leaving = indexes.into_iter().map(async |index| {
            let mut leave = cmd("ZREM");
            leave.arg(self.index(index)).arg(&entry);
            self.link.ask::<()>(Request::Command(&leave), Repeat::Again).await
        });
        for left in join_all(leaving).await {
            if let Err(error) = left {
                tracing::debug!(%error, "an index entry stays until it expires");
            }
        }
    }

    fn record(&self, key: &Key) -> String {
        format!("{}:r:{{{}}}", self.prefix.as_str(), key.as_str())
    }

    fn lock_of(&self, key: &Key) -> String {
        format!("{}:l:{{{}}}", self.prefix.as_str(), key.as_str())
    }

    fn counter(&self, key: &Key) -> String {
        format!("{}:c:{{{}}}", self.prefix.as_str(), key.as_str())
    }

    fn index(&self, index: &str) -> String {
        format!("{}:i:{{{index}}}", self.prefix.as_str())
    }

    fn channel(&self, channel: Namespace) -> String {
        format!("{}:n:{}", self.prefix.as_str(), channel.name())
    }
}

impl Engine for Redis {
    async fn get(&self, key: &Key) -> Result<Option<Kept>, Error> {
        let (version, value, _) = self.fields(key).await?;
        version.zip(value).map(|(version, value)| kept(key.clone(), &version, value)).transpose()
    }

    async fn put(
        &self,
        key: &Key,
        version: Version,
        value: Vec<u8>,
        terms: &Terms,
        expect: Expect,
    ) -> Result<bool, Error> {
        let entry = entry(key, version);
        let indexes: Vec<_> = terms.indexes.iter().map(Index::as_str).collect();
        try_join_all(indexes.iter().map(|index| self.enter(index, &entry, terms.lifetime))).await?;
        let mut script = self.scripts.put.prepare_invoke();
        script.key(self.record(key)).key(self.lock_of(key));
        let (expectation, argument) = expected(expect);
        script.arg(expectation).arg(argument).arg(version.as_bytes()).arg(value);
        script.arg(indexes.join("\n")).arg(millis(terms.lifetime));
        let (written, before, left): (bool, Vec<u8>, String) =
            self.link.ask(Request::Script(&script), Repeat::Again).await?;
        if written {
            self.leave(key, &before, left.lines()).await;
        } else {
            self.leave(key, version.as_bytes(), indexes).await;
        }
        Ok(written)
    }

    async fn remove(&self, key: &Key, expect: Expect) -> Result<Option<Kept>, Error> {
        let mut script = self.scripts.remove.prepare_invoke();
        let (expectation, argument) = expected(expect);
        script.key(self.record(key)).key(self.lock_of(key)).arg(expectation).arg(argument);
        let removed: Option<(Vec<u8>, Vec<u8>, String)> =
            self.link.ask(Request::Script(&script), Repeat::Once).await?;
        let Some((version, value, indexes)) = removed else { return Ok(None) };
        self.leave(key, &version, indexes.lines()).await;
        kept(key.clone(), &version, value).map(Some)
    }

    async fn list(&self, index: &Index, from: Option<&Cursor>) -> Result<Found, Error> {
        let mut scan = cmd("ZSCAN");
        scan.arg(self.index(index.as_str())).arg(from.map_or("0", |cursor| &cursor.0)).arg("COUNT").arg(PAGE);
        let (next, entries): (String, Vec<(String, f64)>) =
            self.link.ask(Request::Command(&scan), Repeat::Again).await?;
        let keys = entries.iter().filter_map(|(entry, _)| entry.rsplit_once(':'));
        let keys: BTreeSet<_> = keys.map(|(key, _)| Key::kept(key)).collect();
        let reading = keys.into_iter().map(async |key| Ok::<_, Error>((self.fields(&key).await?, key)));
        let mut records = Vec::new();
        for ((version, value, indexes), key) in try_join_all(reading).await? {
            let belongs = indexes.is_some_and(|indexes| indexes.lines().any(|name| name == index.as_str()));
            if let (Some(version), Some(value), true) = (version, value, belongs) {
                records.push(kept(key, &version, value)?);
            }
        }
        Ok(Found { records, next: (next != "0").then_some(Cursor(next)) })
    }

    async fn add(&self, key: &Key, by: u32, lifetime: Duration) -> Result<u64, Error> {
        let mut script = self.scripts.add.prepare_invoke();
        script.key(self.counter(key)).arg(by).arg(millis(lifetime));
        self.link.ask(Request::Script(&script), Repeat::Once).await
    }

    async fn lock(&self, key: &Key, lease: Duration) -> Result<Option<Fence>, Error> {
        let mut script = self.scripts.lock.prepare_invoke();
        let who = Version::new()?;
        script.key(self.lock_of(key)).arg(millis(lease)).arg(who.as_bytes());
        script.arg(millis(lease.saturating_add(FENCE_KEPT)));
        let fence: Option<u64> = self.link.ask(Request::Script(&script), Repeat::Again).await?;
        Ok(fence.map(Fence))
    }

    async fn unlock(&self, key: &Key, fence: Fence) -> Result<bool, Error> {
        let mut script = self.scripts.unlock.prepare_invoke();
        script.key(self.lock_of(key)).arg(fence.0);
        self.link.ask(Request::Script(&script), Repeat::Once).await
    }

    async fn publish(&self, channel: Namespace, message: Vec<u8>) -> Result<(), Error> {
        let mut publish = cmd("PUBLISH");
        publish.arg(self.channel(channel)).arg(message);
        self.link.ask(Request::Command(&publish), Repeat::Again).await
    }

    async fn listen(&self, channel: Namespace) -> Result<notice::Listener, Error> {
        let listener = Listener::new(Arc::clone(&self.link), self.channel(channel)).await?;
        Ok(notice::Listener::Redis(Box::new(listener)))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.prefix)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

fn cannot_listen(error: &RedisError) -> Error {
    Error::new(Kind::Unavailable, "notices of other replicas cannot be heard").because(error.clone())
}

fn kept(key: Key, version: &[u8], value: Vec<u8>) -> Result<Kept, Error> {
    let version = version.try_into().map(Version::from_bytes).map_err(|_| Error::unreadable())?;
    Ok(Kept { key, version, value })
}

fn entry(key: &Key, version: Version) -> String {
    format!("{}:{:032x}", key.as_str(), u128::from_be_bytes(*version.as_bytes()))
}

fn expected(expect: Expect) -> (&'static str, Vec<u8>) {
    match expect {
        Expect::Anything => ("anything", Vec::new()),
        Expect::Absent => ("absent", Vec::new()),
        Expect::Version(version) => ("version", version.as_bytes().to_vec()),
        Expect::Held(Fence(fence)) => ("held", fence.to_string().into_bytes()),
        Expect::Kept(Fence(fence)) => ("kept", fence.to_string().into_bytes()),
    }
}

fn millis(duration: Duration) -> u64 {
    // Redis counts in signed numbers, from 1970 on.
    const LONGEST: u64 = 100 * 366 * 24 * 60 * 60 * 1_000;
    u64::try_from(duration.as_millis()).map_or(LONGEST, |millis| millis.min(LONGEST))
}

/// Every text in an answer: a cluster answers for each node.
fn texts(value: &Value) -> Vec<String> {
    if let Value::Array(values) = value {
        values.iter().flat_map(texts).collect()
    } else if let Value::Map(pairs) = value {
        pairs.iter().flat_map(|(_, value)| texts(value)).collect()
    } else {
        redis::from_redis_value_ref(value).into_iter().collect()
    }
}
