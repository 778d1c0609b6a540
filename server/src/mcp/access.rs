//! Whether a caller may do what they ask for, by the operator's rules. Where there are none, everybody may.
//!
//! The same rules make the lists: there, what is not known of a call yet (its arguments, which resource a template will
//! lead to) may be anything, and scopes do not count, since a client learns which one it lacks from the tool that it calls.

use super::{
    catalog::Kind,
    error::{Refusal, Refused},
    message::Message,
    object::Object,
    peer::Peer,
    strict,
    talk::Talk,
};
use axum::http::{Method, StatusCode};
use countersign::{
    Error,
    expression::{Call, Facts},
    proof::{Authenticated, Operation, Tool},
};
use serde_json::{Map, value::RawValue};
use std::borrow::Cow;

/// What somebody asks for, as rules and refusals see it.
#[derive(Debug)]
pub(super) struct Wanted<'w> {
    /// What is called, where that is a tool.
    pub(super) tool: Option<&'w Tool>,
    pub(super) call: Call,
    /// What kind of thing it is, and what the client calls it.
    pub(super) what: &'static str,
    pub(super) ours: Cow<'w, str>,
}

impl Talk<'_> {
    /// Whether a list shows it to this caller. `call` is what is known of every use of it.
    pub(super) fn may_see(&self, peer: &Peer, tool: Option<&Tool>, call: &Call) -> bool {
        let access = &self.hub.access;
        if access.is_open() {
            return true;
        }
        let who = self.about(peer, tool);
        let facts = Facts::of(&who, &Method::POST).calling(call);
        access.rules.iter().any(|rule| rule.when.may_be_true(&facts))
    }

    /// The backends of which the caller may use something, for all that is known without asking them. The caller hears
    /// nothing of the others.
    pub(super) fn usable(&self) -> impl Iterator<Item = &Peer> {
        self.hub.peers.iter().filter(|peer| self.may_see(peer, None, &Call::any()))
    }

    /// Lets the caller do it, or says why not. An expression that cannot be decided lets nobody.
    pub(super) fn permit(&self, peer: &Peer, wanted: &Wanted<'_>) -> Result<(), Refused> {
        let access = &self.hub.access;
        if access.is_open() {
            return Ok(());
        }
        let Wanted { tool, call, what, ours } = wanted;
        let who = self.about(peer, *tool);
        let facts = Facts::of(&who, &Method::POST).calling(call);
        let holds = access.rules.iter().filter(|rule| match call.is_known() {
            true => rule.when.is_true(&facts).unwrap_or_else(|error| {
                tracing::debug!(rule = rule.when.source(), %error, "cannot be decided");
                false
            }),
            false => rule.when.may_be_true(&facts),
        });
        let identity = self.caller.who.identity();
        let mut lacking = Vec::new();
        for rule in holds {
            let lacks = rule.scopes.iter().filter(|scope| !identity.has_scope(scope)).count();
            if lacks == 0 {
                return Ok(());
            }
            lacking.push((lacks, rule.scopes.len(), rule));
        }
        if let Some((.., rule)) = lacking.into_iter().min_by_key(|(lacks, all, _)| (*lacks, *all)) {
            let required = access.required_of(identity.issuer());
            let more = rule.scopes.iter().filter(|scope| !required.contains(scope));
            let scopes: Vec<_> = required.iter().chain(more).cloned().collect();
            return Err(Refused::Token(Error::insufficient_scope(scopes)));
        }
        let with_others = self.may_see(peer, *tool, &call.clone().with_any_arguments());
        Err(Refused::Answer(match *what {
            what if with_others => Refusal::not_with_these(what, ours),
            "resource" => Refusal::unknown_resource(ours, self.speech.is_modern()),
            what => Refusal::unknown(what, ours),
        }))
    }

    /// Lets the caller use something else than a tool, whatever they want to do with it: who may read a resource may watch
    /// it, and who may get a prompt may have it completed.
    pub(super) async fn permit_use(
        &self,
        peer: &Peer,
        message: &Message<'_>,
        theirs: &str,
    ) -> Result<(), Refused> {
        if self.hub.access.is_open() {
            return Ok(());
        }
        let name = message.params.name.as_ref().map_or("", |name| name.value.as_str());
        let uri = message.params.uri.as_ref().map_or("", |uri| uri.value.as_str());
        let get = || Call::of(Kind::Prompts.use_()).on_prompt(theirs);
        let read = || Call::of(Kind::Resources.use_());
        let (call, what, ours) = match message.method.as_deref().unwrap_or_default() {
            "prompts/get" => {
                self.known_prompt(name).await?;
                if !self.may_see(peer, None, &get()) {
                    return Err(Refusal::unknown("prompt", name).into());
                }
                (self.with_arguments(get(), message, "")?, "prompt", name.into())
            }
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                (read().on_resource(theirs).with_arguments(Map::new()), "resource", uri.into())
            }
            "completion/complete" => match message.params.reference.and_then(Object::parse) {
                Some(reference) if reference.all("name").any(|name| name.get() != "null") => {
                    (get(), "prompt", written(&reference, "name").into())
                }
                Some(reference) => {
                    let some = read().on_some_resource().with_arguments(Map::new());
                    (some, "resource", written(&reference, "uri").into())
                }
                None => return Ok(()),
            },
            // Nothing of the backend's is used.
            _ => return Ok(()),
        };
        self.permit(peer, &Wanted { tool: None, call, what, ours })
    }

    /// Whether the caller may read a resource, and so hear that it changed.
    pub(super) fn may_watch(&self, place: usize, theirs: &str) -> bool {
        let call = Call::of(Kind::Resources.use_()).on_resource(theirs).with_arguments(Map::new());
        let wanted = Wanted { tool: None, call, what: "resource", ours: theirs.into() };
        self.hub.peer(place).is_ok_and(|peer| self.permit(peer, &wanted).is_ok())
    }

    /// Refuses what no backend lists, before a backend does in words of its own.
    async fn known_prompt(&self, ours: &str) -> Result<(), Refused> {
        let known = || self.hub.catalogues.owner(self.authority, Kind::Prompts, ours).is_some();
        if !known() {
            self.list_all(Kind::Prompts).await?;
        }
        if known() { Ok(()) } else { Err(Refusal::unknown("prompt", ours).into()) }
    }

    /// The call as rules see it: with its arguments, and what the operator adds to them. `Err` says why nobody can tell
    /// what they are.
    pub(super) fn with_arguments(
        &self,
        call: Call,
        message: &Message<'_>,
        added: &str,
    ) -> Result<Call, Refusal> {
        if !self.hub.access.looks_at_arguments() {
            return Ok(call.with_arguments(Map::new()));
        }
        let unsure = |why: String| {
            let what = format!("nobody can be sure what `arguments` are: {why}");
            Refusal::invalid_params(&what).with_status(StatusCode::OK)
        };
        let given = message.params.arguments.map(strict::object).transpose().map_err(unsure)?;
        let mut arguments = given.unwrap_or_default();
        let added =
            RawValue::from_string(format!("{{{added}}}")).map_err(|error| unsure(error.to_string()))?;
        arguments.extend(strict::object(&added).map_err(unsure)?);
        Ok(call.with_arguments(arguments))
    }

    fn about(&self, peer: &Peer, tool: Option<&Tool>) -> Authenticated {
        let about = Operation::on(peer.name());
        let about = match tool {
            Some(tool) => about.calling(tool.clone()),
            None => about,
        };
        self.caller.who.clone().about(about)
    }
}

/// The text that a reference has under this name.
fn written(reference: &Object<'_>, name: &str) -> String {
    let text = reference.all(name).last().map(|text| serde_json::from_str(text.get()));
    text.and_then(Result::ok).unwrap_or_default()
}
