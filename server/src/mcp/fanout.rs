//! Everybody is asked at once, and nobody waits longer than the deadline for anybody.

use super::{
    catalog::{Item, Kind, Listed, name_in},
    error::{Refusal, Refused},
    peer::Peer,
    pool::Authority,
    talk::{Hub, Talk},
    wire::{Edits, quoted},
};
use countersign::Error;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, future::Future};

/// Where a result says how each backend fared.
pub(super) const STATUS: &str = "countersign/backends";

/// How each backend fared, in their order.
#[derive(Debug, Default)]
pub(super) struct Status(Map<String, Value>);

/// Several lists as one.
#[derive(Debug)]
pub(super) struct Merged {
    /// The items, as a JSON array.
    pub(super) items: String,
    /// How long all of them stay so.
    pub(super) ttl: u64,
    pub(super) status: Status,
}

impl Talk<'_> {
    /// What each backend answers of which the caller may use something, or why it does not; `Err` is what HTTP has to say.
    pub(super) async fn each<'s, T, F: Future<Output = Result<T, Refused>>>(
        &'s self,
        ask: impl Fn(&'s Peer) -> F,
    ) -> Result<Vec<(&'s Peer, Result<T, Refused>)>, Error> {
        let deadline = self.hub.lists.deadline;
        let asked = self.usable().map(|peer| {
            let answer = tokio::time::timeout(deadline, ask(peer));
            async move {
                let late = || Refusal::backend(peer.name(), "did not answer in time").into();
                (peer, answer.await.unwrap_or_else(|_| Err(late())))
            }
        });
        let mut answers = Vec::new();
        for (peer, answer) in join_all(asked).await {
            match answer {
                Err(Refused::Token(error)) => return Err(error),
                answer => answers.push((peer, answer)),
            }
        }
        Ok(answers)
    }

    /// Everything of this kind that anybody has. Where all fail, or where one is too many, it is that failure.
    pub(super) async fn list_all(&self, kind: Kind) -> Result<Merged, Refused> {
        let mut lists = self.each(|peer| self.list(peer, kind)).await.map_err(Refused::Token)?;
        lists.sort_by_key(|(peer, _)| self.hub.naming.rank(peer.place));
        let person = Authority::of_person(self.caller.who.identity());
        let failures = lists.iter().filter(|(_, list)| list.is_err()).count();
        let fails = failures == lists.len() || (failures > 0 && self.hub.lists.all_or_nothing);
        let mut merging = Merging { hub: self.hub, kind, owners: HashMap::new(), items: Vec::new() };
        let (mut status, mut ttl, mut failure) = (Status::default(), u64::MAX, None);
        for (peer, list) in lists {
            match list {
                Ok(Listed { items, ttl: theirs, notes, .. }) => {
                    ttl = ttl.min(theirs);
                    let dropped = items.into_iter().filter_map(|item| merging.add(peer, item));
                    let notes: Vec<_> = notes.into_iter().chain(dropped).collect();
                    status.fine(peer, &notes);
                }
                Err(refused) => {
                    ttl = 0;
                    // What it had keeps its name: another's must not be called in its place.
                    for (exposed, theirs) in self.hub.before.of(person, kind, peer.place) {
                        merging.owners.entry(exposed).or_insert((peer.place, theirs));
                    }
                    status.failed(peer, &refused);
                    failure = failure.or(Some(refused));
                }
            }
        }
        if let Some(failure) = failure.filter(|_| fails) {
            return Err(failure);
        }
        let ttl = if ttl == u64::MAX { 0 } else { ttl };
        let items = format!("[{}]", merging.items.join(","));
        let owners = merging.owners;
        self.hub.before.learn(person, kind, owners.clone());
        self.hub.catalogues.learn(self.authority, kind, owners);
        Ok(Merged { items, ttl, status })
    }
}

/// Lists on their way to one.
struct Merging<'h> {
    hub: &'h Hub,
    kind: Kind,
    owners: HashMap<String, (usize, String)>,
    items: Vec<String>,
}

impl Merging<'_> {
    /// Why it is left out, if it is.
    fn add(&mut self, peer: &Peer, item: Item) -> Option<String> {
        let Item { text, name } = item;
        let mut exposed = self.kind.exposed(&self.hub.naming, peer, &name);
        if let Some((owner, _)) = self.owners.get(&exposed) {
            match self.kind {
                Kind::Tools | Kind::Prompts => {
                    let owner = self.hub.peers.get(*owner).map_or("", Peer::name);
                    tracing::warn!(backend = peer.name(), name, exposed, owner, "two have the same name");
                    return Some(format!(
                        "`{name}` is left out: `{exposed}` is the name of one of `{owner}`"
                    ));
                }
                Kind::Resources | Kind::Templates => exposed = of_backend(peer, &exposed),
            }
        }
        let text = if exposed == name { text.get().to_owned() } else { renamed(&text, self.kind, &exposed) };
        self.items.push(text);
        self.owners.insert(exposed, (peer.place, name));
        None
    }
}

/// A URI that says whose it is.
pub(super) fn of_backend(peer: &Peer, uri: &str) -> String {
    format!("{}+{uri}", peer.name())
}

fn renamed(text: &serde_json::value::RawValue, kind: Kind, name: &str) -> String {
    let mut edits = Edits::of(text.get().as_bytes());
    if let Some((_, written)) = name_in(text, kind) {
        edits.replace(written, quoted(name));
    }
    String::from_utf8_lossy(&edits.done()).into_owned()
}

impl Status {
    pub(super) fn fine(&mut self, peer: &Peer, notes: &[String]) {
        let status =
            if notes.is_empty() { json!({"status": "ok"}) } else { json!({"status": "ok", "notes": notes}) };
        self.0.insert(peer.name().to_owned(), status);
    }

    pub(super) fn failed(&mut self, peer: &Peer, refused: &Refused) {
        let (code, message) = refused.told();
        tracing::warn!(backend = peer.name(), code, message, "is left out of a list");
        let status = json!({"status": "failed", "code": code, "message": message});
        self.0.insert(peer.name().to_owned(), status);
    }

    /// As `_meta`.
    pub(super) fn into_value(self) -> Value {
        json!({STATUS: self.0})
    }
}
