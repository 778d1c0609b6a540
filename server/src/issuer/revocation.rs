//! Signing people out everywhere at once: what was issued to a person or a client ends, on every replica.
//!
//! What is kept ends in the store. Access tokens are kept nowhere, so it is remembered until when they were issued that
//! are not good any more; every replica hears of it, and reads it all when it starts or missed something.

use super::{client::Clients, code::Codes, consent::Consents, error::Fault, family::Families};
use crate::store::{Connections, Expect, Namespace, Notice, Notices, Store, Terms};
use countersign::{clock::Clock, proof::Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Whose sign-ins end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Whose {
    /// A person's, by the `sub` of our tokens.
    Person(String),
    Client(String),
    Everybodys,
    /// That of one sign-in, by the `sid` of its tokens.
    SignIn(String),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) sign_ins: u64,
    pub(crate) codes: u64,
    pub(crate) accounts: u64,
}

/// Ends sign-ins, and knows which have ended.
#[derive(Clone, Debug)]
pub(crate) struct Revocations {
    parts: Arc<Parts>,
}

/// What sign-ins leave in the store.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) clients: Clients,
    pub(super) codes: Codes,
    pub(super) families: Families,
    pub(super) consents: Consents,
    pub(super) connections: Connections,
}

#[derive(Debug)]
struct Parts {
    store: Store,
    issuer: String,
    kept: Kept,
    clock: Arc<dyn Clock>,
    /// Until when tokens were issued that are not good any more.
    known: RwLock<HashMap<Whose, u64>>,
    changed: watch::Sender<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    whose: Whose,
    /// Seconds since 1970.
    at: u64,
}

const REVOKED: Namespace = Namespace::new("revoked");
const ALL: Namespace = Namespace::new("revocations");

/// Longer than any access token.
const REMEMBERED: Duration = Duration::from_secs(25 * 3600);

impl Revocations {
    pub(super) fn new(store: Store, issuer: &str, kept: Kept, clock: Arc<dyn Clock>) -> Self {
        let (known, issuer) = (RwLock::default(), issuer.to_owned());
        let parts = Parts { store, issuer, kept, clock, known, changed: watch::Sender::new(0) };
        Self { parts: Arc::new(parts) }
    }

    /// Ends everything of theirs. What is issued from the next second on is good again.
    pub(crate) async fn revoke(&self, whose: Whose) -> Result<Ended, Fault> {
        let Parts { store, issuer, kept, .. } = &*self.parts;
        // First what ends access tokens: whoever renews one at this moment gets nothing that lasts.
        let record = self.declare(&whose).await?;
        let Kept { clients, codes, families, consents, connections } = kept;
        let mut ended = Ended::default();
        match &whose {
            Whose::Person(subject) => {
                ended.codes = codes.forget_person(subject).await?;
                ended.sign_ins = families.end_of_person(subject).await?;
                consents.forget_person(subject).await?;
                ended.accounts = connections.forget_person(issuer, subject).await?;
            }
            Whose::Client(client) => {
                ended.codes = codes.forget_client(client).await?;
                ended.sign_ins = families.end_of_client(client).await?;
                consents.forget_client(client).await?;
                ended.accounts = connections.forget_client(issuer, client).await?;
                clients.forget(client).await?;
            }
            Whose::Everybodys => {
                ended.codes = codes.forget_all().await?;
                ended.sign_ins = families.end_all().await?;
                consents.forget_all().await?;
                ended.accounts = connections.forget_issuer(issuer).await?;
            }
            // Whoever ends one has ended what is kept of it.
            Whose::SignIn(_) => {}
        }
        // What was issued between the first step and the last.
        store.publish(REVOKED, &record).await?;
        tracing::warn!(?whose, ?ended, "sign-ins were ended");
        Ok(ended)
    }

    /// Ends the access tokens of one sign-in, whose refresh tokens are ended.
    pub(super) async fn end_sign_in(&self, session: &str) -> Result<(), Fault> {
        let whose = Whose::SignIn(session.to_owned());
        // Whoever shows a code for the hundredth time does not keep everybody busy with it.
        let is_known = self.parts.known.read().unwrap_or_else(PoisonError::into_inner).contains_key(&whose);
        if is_known { Ok(()) } else { self.declare(&whose).await.map(drop) }
    }

    /// Whether a caller's token was good, and is not any more.
    pub(crate) fn has_ended(&self, caller: &Identity) -> bool {
        if caller.issuer() != self.parts.issuer {
            return false;
        }
        let issued = caller.claim("iat").and_then(Value::as_u64).unwrap_or(0);
        let known = self.parts.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return false;
        }
        let text = |name| caller.claim(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        // Nobody signs in twice as one sign-in, so its tokens have ended whenever they were issued.
        known.contains_key(&Whose::SignIn(text("sid")))
            || [
                Whose::Everybodys,
                Whose::Person(caller.subject().to_owned()),
                Whose::Client(text("client_id")),
            ]
            .iter()
            .any(|whose| known.get(whose).is_some_and(|at| issued <= *at))
    }

    /// Comes when a caller's token ends before its time.
    pub(crate) async fn end_of(&self, caller: Identity) {
        let mut changes = self.parts.changed.subscribe();
        while !self.has_ended(&caller) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Hears what other replicas end, for as long as it is polled, and tells `forget` of each.
    pub(super) async fn heed(&self, forget: impl Fn(&str, &Whose)) {
        loop {
            match self.parts.store.listen::<Record>(REVOKED).await {
                Ok(notices) => self.heed_all(notices, &forget).await,
                Err(error) => tracing::error!(%error, "nobody tells what other replicas end"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Returns where it cannot be known what was missed.
    async fn heed_all(&self, mut notices: Notices<Record>, forget: &impl Fn(&str, &Whose)) {
        loop {
            // Read after the listening began, so that nothing falls in between.
            match self.read().await {
                Ok(records) => self.take(records, forget),
                Err(fault) => {
                    tracing::error!(error = %fault, "what was ended cannot be read");
                    return;
                }
            }
            while let Notice::Message(record) = notices.next().await {
                self.take(vec![record], forget);
            }
        }
    }

    /// Lets every replica know that tokens of before are good no more.
    async fn declare(&self, whose: &Whose) -> Result<Record, Fault> {
        let Parts { store, clock, .. } = &*self.parts;
        let at = clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let record = Record { whose: whose.clone(), at };
        let terms = Terms::lasting(REMEMBERED).under(ALL.index(&[]));
        store.put(&key(whose), &record, &terms, Expect::Anything).await?;
        store.publish(REVOKED, &record).await?;
        // Known here once everybody was told: whoever asks again after a failure has them told again.
        self.learn([record.clone()]);
        Ok(record)
    }

    fn take(&self, records: Vec<Record>, forget: &impl Fn(&str, &Whose)) {
        for record in &records {
            forget(&self.parts.issuer, &record.whose);
        }
        self.learn(records);
    }

    async fn read(&self) -> Result<Vec<Record>, Fault> {
        let (mut records, mut from) = (Vec::new(), None);
        loop {
            let page = self.parts.store.list::<Record>(&ALL.index(&[]), from.as_ref()).await?;
            records.extend(page.records.into_iter().map(|stored| stored.value));
            from = page.next;
            if from.is_none() {
                return Ok(records);
            }
        }
    }

    fn learn(&self, records: impl IntoIterator<Item = Record>) {
        let now = self.parts.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let forgotten = now.saturating_sub(REMEMBERED).as_secs();
        let mut known = self.parts.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, at| *at >= forgotten);
        for Record { whose, at } in records {
            let latest = known.entry(whose).or_insert(at);
            *latest = at.max(*latest);
        }
        drop(known);
        self.parts.changed.send_modify(|changes| *changes += 1);
    }
}

fn key(whose: &Whose) -> crate::store::Key {
    match whose {
        Whose::Person(subject) => REVOKED.key(&["person", subject]),
        Whose::Client(client) => REVOKED.key(&["client", client]),
        Whose::Everybodys => REVOKED.key(&["everybody"]),
        Whose::SignIn(session) => REVOKED.key(&["sign-in", session]),
    }
}
