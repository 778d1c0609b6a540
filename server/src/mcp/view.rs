//! What of a backend this caller may see, which is also what they may use.

use super::{
    access::Wanted,
    catalog::{Item, Kind, Listed},
    error::{Refusal, Refused},
    message::Message,
    overridden::{self, Unfit, added},
    params::InHeaders,
    peer::Peer,
    talk::Talk,
};
use countersign::{expression::Call, proof::Tool};
use serde::Deserialize;
use serde_json::{Map, value::RawValue};

/// What a backend says of a tool that somebody has to know who calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    read_only: bool,
    additive: bool,
    /// Which of its arguments travel as headers too.
    pub(super) in_headers: InHeaders,
}

impl Effects {
    /// As a list says it, or why nobody can call it. Nothing said is the worst.
    pub(super) fn of(tool: &RawValue) -> Result<Self, &'static str> {
        Ok(Self { in_headers: InHeaders::of(tool)?, ..Self::default() }.hinted(tool))
    }

    /// The same, where `tool` says what it does.
    fn hinted(self, tool: &RawValue) -> Self {
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
            ..self
        }
    }

    fn of_calling(&self, name: &str) -> Tool {
        match (self.read_only, self.additive) {
            (true, _) => Tool::named(name).read_only(),
            (false, true) => Tool::named(name).additive(),
            (false, false) => Tool::named(name),
        }
    }
}

/// Whether a tool can only be called as a task of the versions with sessions.
fn only_as_task(tool: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow)]
        execution: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Execution {
        task_support: Option<String>,
    }
    let tool = serde_json::from_str::<Tool<'_>>(tool.get()).ok();
    let execution = tool.and_then(|tool| serde_json::from_str::<Execution>(tool.execution?.get()).ok());
    execution.is_some_and(|execution| execution.task_support.as_deref() == Some("required"))
}

impl Talk<'_> {
    /// Leaves in a list what this caller may use.
    pub(super) fn seen(&self, peer: &Peer, kind: Kind, mut listed: Listed) -> Listed {
        if kind != Kind::Tools {
            listed.items.retain(|item| self.may_see(peer, None, &use_of(kind, &item.name)));
            return listed;
        }
        let mut known = Vec::new();
        let Listed { items, notes, .. } = &mut listed;
        for name in peer.tools.overrides.keys().filter(|name| !items.iter().any(|item| item.name == **name)) {
            tracing::warn!(backend = peer.name(), name, "is overridden, and the backend does not list it");
        }
        items.retain_mut(|item| {
            if peer.tools.shown(&item.name).is_none() {
                return false;
            }
            let effects = match self.overridden(peer, item, notes).and_then(|effects| {
                match self.speech.is_modern() && peer.is_legacy() && only_as_task(&item.text) {
                    true => Err("it goes on as a task only, which clients of this version cannot ask for"),
                    false => Ok(effects),
                }
            }) {
                Ok(effects) => effects,
                Err(why) => {
                    let name = item.name.as_str();
                    tracing::warn!(backend = peer.name(), name, why, "a tool is left out");
                    if self.may_see(peer, Some(&Tool::named(name)), &use_of(kind, name)) {
                        notes.push(format!("`{name}` is left out: {why}"));
                    }
                    return false;
                }
            };
            let seen = (effects.read_only || !peer.tools.read_only)
                && self.may_see(peer, Some(&effects.of_calling(&item.name)), &use_of(kind, &item.name));
            known.push((item.name.clone(), effects));
            seen
        });
        self.hub.catalogues.learn_effects(self.authority, peer.place, known);
        listed
    }

    /// Makes of a tool what the operator wants it to be, and reads what it does then; or why nobody can call it.
    fn overridden(
        &self,
        peer: &Peer,
        item: &mut Item,
        notes: &mut Vec<String>,
    ) -> Result<Effects, &'static str> {
        let Item { name, text } = item;
        let effects = Effects::of(text)?;
        let Some(with) = peer.tools.overrides.get(name) else { return Ok(effects) };
        let (told, missing) =
            overridden::told(text, with).ok_or("it cannot be read, and so not overridden")?;
        for argument in missing {
            tracing::warn!(
                backend = peer.name(),
                name,
                argument,
                "an argument is overridden that is not there"
            );
            notes.push(format!("`{name}` has no argument `{argument}`, which is overridden"));
        }
        *text = told;
        // Which headers the backend wants, only itself can say; what the tool does, the operator can.
        Ok(effects.hinted(text))
    }

    /// The tool that is about to be called, as far as anybody has to know it, and the arguments that the operator adds; or
    /// that there is none, for this caller. Its backend calls it `name`.
    pub(super) async fn about_to_call(
        &self,
        peer: &Peer,
        name: &str,
        message: &Message<'_>,
    ) -> Result<(Tool, Result<String, Unfit>), Refused> {
        let ours = message.subject().unwrap_or_default();
        let unknown = || Refused::from(Refusal::unknown("tool", ours));
        if peer.tools.shown(name).is_none() || !self.may_see(peer, None, &Call::any()) {
            return Err(unknown());
        }
        let hides_some = peer.tools.hide_some() || !self.hub.access.is_open();
        let effects = if hides_some || peer.tools.are_asked_about {
            match self.effects(peer, name).await? {
                Some(effects) => effects,
                // What the backend would say of it tells it apart from what is hidden.
                None if hides_some => return Err(unknown()),
                None => Effects::default(),
            }
        } else {
            Effects::default()
        };
        let (tool, call) = (effects.of_calling(name), use_of(Kind::Tools, name));
        if (peer.tools.read_only && !effects.read_only) || !self.may_see(peer, Some(&tool), &call) {
            return Err(unknown());
        }
        let added = match peer.tools.overrides.get(name).map(|with| added(with, message)) {
            Some(Err(unfit)) => return Ok((tool, Err(unfit))),
            added => added.and_then(Result::ok).unwrap_or_default(),
        };
        let call = self.with_arguments(call, message, &added)?;
        self.permit(peer, &Wanted { tool: Some(&tool), call, what: "tool", ours: ours.into() })?;
        Ok((tool, Ok(added)))
    }

    /// What a tool does; `None` where the backend does not list it.
    pub(super) async fn effects(&self, peer: &Peer, name: &str) -> Result<Option<Effects>, Refused> {
        let known = || self.hub.catalogues.effects(self.authority, peer.place, name);
        if let Some(effects) = known() {
            return Ok(Some(effects));
        }
        self.list(peer, Kind::Tools).await?;
        Ok(known())
    }
}

/// What is known of every use of something that a backend calls `name`.
fn use_of(kind: Kind, name: &str) -> Call {
    let call = Call::of(kind.use_());
    match kind {
        Kind::Tools => call,
        Kind::Prompts => call.on_prompt(name),
        Kind::Resources => call.on_resource(name).with_arguments(Map::new()),
        Kind::Templates => call.on_some_resource().with_arguments(Map::new()),
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
            let expected = Effects { read_only, additive, ..Effects::default() };
            assert_eq!(Effects::of(&text), Ok(expected), "{text}");
        }
    }
}
