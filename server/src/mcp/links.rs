//! Links to resources in what backends answer, each by a name under which the client finds it here.
//!
//! One that the caller has seen in lists has its name there. Any other gets a name that says whose it is; unless it is an
//! address of the web, where clients may look for themselves.

use super::{
    catalog::Kind,
    fanout::of_backend,
    pool::Authority,
    talk::{Hub, Talk},
    wire::{Edits, quoted},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, sync::Arc};

/// How one caller calls the resources of one backend, among others.
#[derive(Debug)]
pub(super) struct Links {
    hub: Arc<Hub>,
    place: usize,
    authority: Authority,
    person: Authority,
}

/// What a result has where there may be links.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    /// Of a tool.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    /// Of a prompt, each with content.
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    /// Of a resource.
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
    /// What a task came to, which is an answer of its own.
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

impl Links {
    /// `None` where there is nobody to tell this backend's from.
    pub(super) fn of(talk: &Talk<'_>, place: usize) -> Option<Self> {
        (talk.hub.peers.len() > 1).then(|| Self {
            hub: talk.hub.clone(),
            place,
            authority: talk.authority,
            person: Authority::of_person(talk.caller.who.identity()),
        })
    }

    /// Renames those in a result, but for what goes by a name that the client knows already.
    pub(super) fn rename(&self, edits: &mut Edits<'_>, result: &str, known: &[(String, String)]) {
        // Most results have none, and need not be read.
        if !["\"uri\"", "\\u"].iter().any(|mark| result.contains(mark)) {
            return;
        }
        for written in links_in(result) {
            let theirs: Option<String> = serde_json::from_str(written.get()).ok();
            let unknown = theirs.filter(|theirs| !known.iter().any(|(_, known)| known == theirs));
            if let Some(ours) = unknown.and_then(|theirs| self.exposed(&theirs)) {
                edits.replace(written.get(), quoted(&ours));
            }
        }
    }

    /// What the client calls a resource, where that is something else.
    fn exposed(&self, theirs: &str) -> Option<String> {
        let peer = self.hub.peers.get(self.place)?;
        let is_of_the_web = || ["http://", "https://"].iter().any(|scheme| theirs.starts_with(scheme));
        match self.owner(theirs) {
            Some((place, name)) if place == self.place && name == theirs => None,
            None if is_of_the_web() => None,
            Some(_) | None => {
                let ours = of_backend(peer, theirs);
                // Nobody has to be asked whose it is when the client follows the link.
                let owner = (self.place, theirs.to_owned());
                self.hub.catalogues.note(self.authority, Kind::Resources, ours.clone(), owner);
                Some(ours)
            }
        }
    }

    /// Whose resource the client calls so, as far as anybody has looked.
    fn owner(&self, ours: &str) -> Option<(usize, String)> {
        let Hub { catalogues, before, .. } = &*self.hub;
        let listed = catalogues.owner(self.authority, Kind::Resources, ours);
        listed
            .or_else(|| catalogues.owner_of_template(self.authority, ours))
            .or_else(|| before.owner(self.person, Kind::Resources, ours))
            .or_else(|| before.owner_of_template(self.person, ours))
    }
}

/// The names of resources in a result, as they were written.
fn links_in(text: &str) -> Vec<&RawValue> {
    let answer: Answer<'_> = serde_json::from_str(text).unwrap_or_default();
    let of_task = read(answer.result).map(|task| links_of(&task)).unwrap_or_default();
    links_of(&answer).into_iter().chain(of_task).collect()
}

fn links_of<'a>(answer: &Answer<'a>) -> Vec<&'a RawValue> {
    let Answer { content, messages, contents, .. } = *answer;
    let messages: Vec<Message<'_>> = read(messages).unwrap_or_default();
    let of_messages = messages.into_iter().filter_map(|message| read(Some(message.content)));
    let blocks = read::<Vec<Block<'_>>>(content).into_iter().flatten().chain(of_messages);
    let linked = blocks.filter_map(|block| match block.kind.as_deref() {
        Some("resource_link") => block.uri,
        Some("resource") => read::<Block<'_>>(block.resource)?.uri,
        _ => None,
    });
    let parts = read::<Vec<Block<'_>>>(contents).into_iter().flatten().filter_map(|part| part.uri);
    linked.chain(parts).collect()
}

fn read<'a, T: Deserialize<'a>>(part: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(part?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_wherever_an_answer_may_have_them() {
        for (result, expected) in [
            (
                r#"{"content":[{"type":"text","uri":"no"},{"type":"resource_link","uri":"a://1","x":1e400},
                {"type":"resource","resource":{"uri":"a:\/\/2","text":"uri"}}],"structuredContent":{"uri":"no"}}"#,
                vec![r#""a://1""#, r#""a:\/\/2""#],
            ),
            (
                r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a://3"}}},{"content":7}]}"#,
                vec![r#""a://3""#],
            ),
            (r#"{"contents":[{"uri":"a://4"},{"text":"x"}]}"#, vec![r#""a://4""#]),
            (
                r#"{"taskId":"t","result":{"content":[{"type":"resource_link","uri":"a://5"}]}}"#,
                vec![r#""a://5""#],
            ),
            (r#"{"content":{"type":"resource_link","uri":"no"}}"#, vec![]),
            (r#"{"content":[7],"messages":null}"#, vec![]),
        ] {
            let found: Vec<_> = links_in(result).into_iter().map(RawValue::get).collect();
            assert_eq!(found, expected, "{result}");
        }
    }
}
