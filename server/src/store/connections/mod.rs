//! The accounts that callers have connected at providers, and the tokens they gave for that.
//!
//! Whoever changes one holds its lock, and writes only while they hold it and the record is there: a renewal neither
//! overwrites what a person connected meanwhile, nor brings back what was revoked.

#[cfg(test)]
mod tests;

use super::{
    error::Error,
    key::{Key, Namespace},
    record::{Expect, Fence, Terms},
    sealed::{Held, Store},
};
use countersign::{
    BoxError,
    tokens::{Account, Connection, Lease, TokenStore, Written},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use zeroize::Zeroize;

const CONNECTIONS: Namespace = Namespace::new("connections");
const OF_PERSON: Namespace = Namespace::new("connections-of-person");
const OF_CLIENT: Namespace = Namespace::new("connections-of-client");
const OF_ISSUER: Namespace = Namespace::new("connections-of-issuer");

/// An account that nobody uses for so long has to be connected anew.
const UNUSED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// For as long somebody who connects an account keeps others from it.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long is waited for whoever renews the token before looking again.
const PAUSE: Duration = Duration::from_millis(50);

/// The connections in a store.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    store: Store,
}

/// A connection as it is sealed. It tells its owner, so that nobody is given another's by whatever mishap.
#[derive(Serialize, Deserialize)]
struct Row {
    owner: Owner,
    connection: Saved,
}

/// A connection in a form that can be written down. Only what is sealed may hold one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Saved {
    access_token: String,
    obtained: u64,
    expires: Option<u64>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    id_token_expires: Option<u64>,
    claims: Option<Map<String, Value>>,
    being_renewed: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    issuer: String,
    subject: String,
    client: Option<String>,
    provider: String,
}

impl Connections {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// A person connected `account`. What was there before is replaced, and whoever is renewing that has lost it.
    pub(crate) async fn connect(&self, account: &Account, connection: &Connection) -> Result<(), Error> {
        let key = key(account);
        let held = loop {
            match self.store.lock(&key, CONNECTING).await? {
                Some(held) => break held,
                None => tokio::time::sleep(PAUSE).await,
            }
        };
        let row = Row::new(account, connection);
        let written =
            self.store.put(&key, &row, &terms(account, connection), Expect::Held(held.fence())).await;
        let released = self.store.unlock(held).await;
        if written?.is_none() {
            // It took longer than the lock lasts: somebody else is at it, and may be asked again.
            return Err(Error::new(
                crate::store::Kind::Unavailable,
                "the account was changed by somebody else meanwhile",
            ));
        }
        released.map(drop)
    }

    /// Forgets every account that a person has connected, and says how many those were.
    pub(crate) async fn forget_person(&self, issuer: &str, subject: &str) -> Result<u64, Error> {
        self.store.remove_all(&OF_PERSON.index(&[issuer, subject])).await
    }

    /// The same for every person who came through a client.
    pub(crate) async fn forget_client(&self, issuer: &str, client: &str) -> Result<u64, Error> {
        self.store.remove_all(&OF_CLIENT.index(&[issuer, client])).await
    }

    /// The same for everybody whom an issuer vouches for.
    pub(crate) async fn forget_issuer(&self, issuer: &str) -> Result<u64, Error> {
        self.store.remove_all(&OF_ISSUER.index(&[issuer])).await
    }
}

impl TokenStore for Connections {
    async fn load(&self, account: &Account) -> Result<Option<Connection>, BoxError> {
        let stored = self.store.get::<Row>(&key(account)).await?;
        Ok(stored
            .filter(|stored| stored.value.owner == Owner::of(account))
            .map(|stored| stored.value.connection.into()))
    }

    async fn lease(&self, account: &Account, time: Duration) -> Result<Option<Lease>, BoxError> {
        let held = self.store.lock(&key(account), time).await?;
        Ok(held.map(|held| Lease::new(held.fence().0)))
    }

    async fn replace(
        &self,
        account: &Account,
        lease: Lease,
        connection: &Connection,
    ) -> Result<Written, BoxError> {
        let row = Row::new(account, connection);
        let kept = Expect::Kept(Fence(lease.number()));
        let written = self.store.put(&key(account), &row, &terms(account, connection), kept).await?;
        Ok(if written.is_some() { Written::Done } else { Written::Superseded })
    }

    async fn remove(&self, account: &Account, lease: Lease) -> Result<Written, BoxError> {
        let removed = self.store.remove(&key(account), Expect::Kept(Fence(lease.number()))).await?;
        Ok(if removed { Written::Done } else { Written::Superseded })
    }

    async fn release(&self, account: &Account, lease: Lease) -> Result<(), BoxError> {
        self.store.unlock(Held::of(key(account), Fence(lease.number()))).await?;
        Ok(())
    }
}

impl Row {
    fn new(account: &Account, connection: &Connection) -> Self {
        Self { owner: Owner::of(account), connection: connection.into() }
    }
}

impl From<&Connection> for Saved {
    fn from(connection: &Connection) -> Self {
        let text = |secret: &SecretString| secret.expose_secret().to_owned();
        Self {
            access_token: text(connection.access_token()),
            obtained: seconds(connection.obtained()),
            expires: connection.expires().map(seconds),
            refresh_token: connection.refresh_token().map(text),
            id_token: connection.id_token().map(text),
            id_token_expires: connection.id_token_expires().map(seconds),
            claims: connection.claims().cloned(),
            being_renewed: connection.is_being_renewed(),
        }
    }
}

impl From<Saved> for Connection {
    fn from(mut saved: Saved) -> Self {
        let secret = |text: &mut String| SecretString::from(std::mem::take(text));
        let mut connection = Self::new(secret(&mut saved.access_token), time(saved.obtained));
        if let Some(expires) = saved.expires {
            connection = connection.with_expires(time(expires));
        }
        if let Some(token) = &mut saved.refresh_token {
            connection = connection.with_refresh_token(secret(token));
        }
        if let Some(token) = &mut saved.id_token {
            connection = connection.with_id_token(secret(token), saved.id_token_expires.map(time));
        }
        if let Some(claims) = saved.claims.take() {
            connection = connection.with_claims(claims);
        }
        if saved.being_renewed { connection.being_renewed() } else { connection }
    }
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saved").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
        self.id_token.zeroize();
    }
}

impl Owner {
    fn of(account: &Account) -> Self {
        Self {
            issuer: account.issuer().to_owned(),
            subject: account.subject().to_owned(),
            client: account.client().map(str::to_owned),
            provider: account.provider().to_owned(),
        }
    }
}

fn key(account: &Account) -> Key {
    // How many parts there are tells no client from one that is called nothing.
    let (issuer, subject, provider) = (account.issuer(), account.subject(), account.provider());
    match account.client() {
        Some(client) => CONNECTIONS.key(&[issuer, subject, provider, client]),
        None => CONNECTIONS.key(&[issuer, subject, provider]),
    }
}

/// What can be renewed stays for as long as somebody uses it now and then, anything else until it ends.
fn terms(account: &Account, connection: &Connection) -> Terms {
    let ends = [connection.expires(), connection.id_token_expires()].into_iter().flatten().max();
    let lifetime = match (connection.refresh_token(), ends) {
        (None, Some(end)) => end.duration_since(connection.obtained()).unwrap_or_default().min(UNUSED),
        _ => UNUSED,
    };
    let terms = Terms::lasting(lifetime)
        .under(OF_PERSON.index(&[account.issuer(), account.subject()]))
        .under(OF_ISSUER.index(&[account.issuer()]));
    match account.client() {
        Some(client) => terms.under(OF_CLIENT.index(&[account.issuer(), client])),
        None => terms,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
