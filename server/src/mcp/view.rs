//! What of a backend this caller may see, which is also what they may use.

use super::{
    catalog::{Item, Kind, Listed},
    error::{Refusal, Refused},
    peer::Peer,
    talk::Talk,
};
use axum::http::Method;
use countersign::{
    expression::Facts,
    proof::{Operation, Tool},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a backend says that a tool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    read_only: bool,
    additive: bool,
}

impl Effects {
    /// As a list says it. Nothing said is the worst.
    pub(super) fn of(tool: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Hints {
            read_only_hint: Option<bool>,
            destructive_hint: Option<bool>,
        }
        #[derive(Deserialize)]
        struct Hinted {
            #[serde(default)]
            annotations: Option<Hints>,
        }
        let hinted = serde_json::from_str::<Hinted>(tool.get()).ok();
        let hints = hinted.and_then(|hinted| hinted.annotations).unwrap_or_default();
        Self {
            read_only: hints.read_only_hint == Some(true),
            additive: hints.destructive_hint == Some(false),
        }
    }

    fn of_calling(self, name: &str) -> Tool {
        match (self.read_only, self.additive) {
            (true, _) => Tool::named(name).read_only(),
            (false, true) => Tool::named(name).additive(),
            (false, false) => Tool::named(name),
        }
    }
}

impl Talk<'_> {
    /// Leaves in a list what this caller may use.
    pub(super) fn seen(&self, peer: &Peer, kind: Kind, mut listed: Listed) -> Listed {
        if kind != Kind::Tools {
            if !self.may(peer, None) {
                listed.items.clear();
            }
            return listed;
        }
        let effects: Vec<_> =
            listed.items.iter().map(|item| (item.name.clone(), Effects::of(&item.text))).collect();
        listed.items.retain(|Item { name, text }| {
            let effects = Effects::of(text);
            peer.tools.shown(name).is_some()
                && (effects.read_only || !peer.tools.read_only)
                && self.may(peer, Some(&effects.of_calling(name)))
        });
        self.hub.catalogues.learn_effects(self.authority, peer.place, effects);
        listed
    }

    /// The tool that is about to be called, as far as anybody has to know it; or that there is none. Its backend calls it
    /// `name`, the client `ours`.
    pub(super) async fn about_to_call(&self, peer: &Peer, name: &str, ours: &str) -> Result<Tool, Refused> {
        let unknown = || Refused::from(Refusal::unknown("tool", ours));
        if peer.tools.shown(name).is_none() {
            return Err(unknown());
        }
        let asked = peer.tools.read_only || peer.tools.are_asked_about || self.hub.looks_at_effects();
        let effects = if asked { self.effects(peer, name).await? } else { Effects::default() };
        let tool = effects.of_calling(name);
        if (peer.tools.read_only && !effects.read_only) || !self.may(peer, Some(&tool)) {
            return Err(unknown());
        }
        Ok(tool)
    }

    /// Whether one of the rules lets this caller do it. One that cannot be decided lets nobody.
    pub(super) fn may(&self, peer: &Peer, tool: Option<&Tool>) -> bool {
        let rules = &self.hub.access.0;
        if rules.is_empty() {
            return true;
        }
        let about = Operation::on(peer.name());
        let about = match tool {
            Some(tool) => about.calling(tool.clone()),
            None => about,
        };
        let who = self.caller.who.clone().about(about);
        let facts = Facts::of(&who, &Method::POST);
        rules.iter().any(|rule| {
            rule.is_true(&facts).unwrap_or_else(|error| {
                tracing::debug!(rule = rule.source(), %error, "cannot be decided");
                false
            })
        })
    }

    async fn effects(&self, peer: &Peer, name: &str) -> Result<Effects, Refused> {
        let known = || self.hub.catalogues.effects(self.authority, peer.place, name);
        if let Some(effects) = known() {
            return Ok(effects);
        }
        self.list(peer, Kind::Tools).await?;
        Ok(known().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_worst() {
        for (text, read_only, additive) in [
            (r#"{"name":"a"}"#, false, false),
            (r#"{"name":"a","annotations":null}"#, false, false),
            (r#"{"name":"a","annotations":{"readOnlyHint":true}}"#, true, false),
            (r#"{"name":"a","annotations":{"destructiveHint":false}}"#, false, true),
            (r#"{"name":"a","annotations":{"readOnlyHint":"yes"}}"#, false, false),
        ] {
            let text = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(Effects::of(&text), Effects { read_only, additive }, "{text}");
        }
    }
}
