//! Which backend a request is for, and what that calls what is asked for.

use super::{
    catalog::Kind,
    error::{Refusal, Refused},
    message::Message,
    naming::is_shortened,
    session::place,
    talk::Talk,
};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    /// To this backend.
    One(Target<'a>),
    /// To everybody who has such a list.
    List(Kind),
    /// To everybody.
    All,
    /// To nobody: the gateway answers.
    Here,
    /// There is no such method, for clients of several backends.
    Nowhere,
}

/// A backend, and the part of the message that it is to read in its own words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) place: usize,
    /// What the backend calls what is asked for, where the request names something.
    pub(super) subject: Option<String>,
    /// How the client has written it, where the backend calls it something else.
    pub(super) written: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The only backend, which hears what the client says.
    fn only(message: &Message<'a>) -> Self {
        Self { place: 0, subject: message.subject().map(str::to_owned), written: None }
    }

    fn named(place: usize, subject: String, written: &'a str) -> Self {
        Self { place, subject: Some(subject), written: Some(written) }
    }
}

impl Talk<'_> {
    /// Where a request goes.
    pub(super) async fn destination<'a>(&self, message: &Message<'a>) -> Result<Destination<'a>, Refused> {
        let method = message.method.as_deref().unwrap_or_default();
        if method == "ping" {
            return Ok(Destination::Here);
        }
        if self.hub.is_transparent() {
            return Ok(match method {
                "logging/setLevel" => Destination::All,
                _ => Destination::One(Target::only(message)),
            });
        }
        if let Some(kind) = Kind::listed_by(method) {
            return Ok(Destination::List(kind));
        }
        let missing = |what| Refused::from(Refusal::invalid_params(what).with_status(StatusCode::OK));
        let name = || message.params.name.as_ref().ok_or_else(|| missing("`name` is missing"));
        let uri = || message.params.uri.as_ref().ok_or_else(|| missing("`uri` is missing"));
        Ok(match method {
            "tools/call" => self.named(Kind::Tools, &name()?.value, name()?.written).await?,
            "prompts/get" => self.named(Kind::Prompts, &name()?.value, name()?.written).await?,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                let (place, uri_there) = self.owner_of(&uri()?.value).await?;
                Destination::One(Target::named(place, uri_there, uri()?.written))
            }
            "completion/complete" => {
                let reference = message.params.reference.ok_or_else(|| missing("`ref` is missing"))?;
                self.completed(reference).await?
            }
            "logging/setLevel" | "server/discover" | "subscriptions/listen" => Destination::All,
            _ if message.is_about_a_task() => {
                let (ours, written) = message.task().ok_or_else(|| missing("`taskId` is missing"))?;
                let (place, theirs) = self.owner_of_task(&ours)?;
                Destination::One(Target::named(place, theirs.to_owned(), written))
            }
            _ => Destination::Nowhere,
        })
    }

    async fn named<'a>(&self, kind: Kind, name: &str, written: &'a str) -> Result<Destination<'a>, Refused> {
        let (place, name) = self.owner_of_name(kind, name).await?;
        Ok(Destination::One(Target::named(place, name, written)))
    }

    async fn completed<'a>(&self, reference: &'a RawValue) -> Result<Destination<'a>, Refused> {
        #[derive(Deserialize)]
        struct Reference<'a> {
            #[serde(borrow)]
            name: Option<&'a RawValue>,
            #[serde(borrow)]
            uri: Option<&'a RawValue>,
        }
        let wrong = || {
            Refusal::invalid_params("`ref` names neither a prompt nor a resource").with_status(StatusCode::OK)
        };
        let reference: Reference<'a> = serde_json::from_str(reference.get()).map_err(|_| wrong())?;
        let written = reference.name.or(reference.uri).ok_or_else(wrong)?.get();
        let subject: String = serde_json::from_str(written).map_err(|_| wrong())?;
        if reference.name.is_some() {
            return self.named(Kind::Prompts, &subject, written).await;
        }
        let (place, subject) = self.owner_of(&subject).await?;
        Ok(Destination::One(Target::named(place, subject, written)))
    }

    /// Whose tool or prompt it is, and what that backend calls it.
    async fn owner_of_name(&self, kind: Kind, name: &str) -> Result<(usize, String), Refused> {
        let direct = self.hub.naming.split(name).and_then(|(place, name)| {
            let name = match kind {
                Kind::Tools => self.hub.peers.get(place)?.tools.original(name)?,
                Kind::Prompts | Kind::Resources | Kind::Templates => name,
            };
            Some((place, name.to_owned()))
        });
        if let Some(direct) = direct.clone().filter(|_| !is_shortened(name)) {
            return Ok(direct);
        }
        let known = || self.hub.catalogues.owner(self.authority, kind, name);
        if let Some(owner) = known() {
            return Ok(owner);
        }
        if is_shortened(name) || !self.hub.naming.says_whose() {
            self.list_all(kind).await?;
        }
        let what = if kind == Kind::Prompts { "prompt" } else { "tool" };
        known().or(direct).ok_or_else(|| Refusal::unknown(what, name).into())
    }

    /// At which backend the caller began a task, and what that calls it.
    pub(super) fn owner_of_task<'o>(&self, ours: &'o str) -> Result<(usize, &'o str), Refusal> {
        let owner = place(self.caller.who.identity());
        let (backend, theirs) = self.hub.tasks.read(&owner, ours).ok_or_else(Refusal::unknown_task)?;
        let peer = self.hub.peers.iter().find(|peer| peer.name() == backend);
        Ok((peer.ok_or_else(Refusal::unknown_task)?.place, theirs))
    }

    /// Whose resource it is, and what that backend calls it.
    pub(super) async fn owner_of(&self, uri: &str) -> Result<(usize, String), Refused> {
        let known = || {
            let catalogues = &self.hub.catalogues;
            let listed = [Kind::Resources, Kind::Templates]
                .into_iter()
                .find_map(|kind| catalogues.owner(self.authority, kind, uri));
            listed.or_else(|| catalogues.owner_of_template(self.authority, uri))
        };
        if let Some(owner) = known() {
            return Ok(owner);
        }
        let prefixed = || {
            self.hub.peers.iter().find_map(|peer| {
                let rest = uri.strip_prefix(peer.name())?.strip_prefix('+')?;
                Some((peer.place, rest.to_owned()))
            })
        };
        for kind in [Kind::Resources, Kind::Templates] {
            if let Err(refused) = self.list_all(kind).await
                && prefixed().is_none()
            {
                return Err(refused);
            }
            // Now, because what was learned is forgotten as soon as a backend says that it has changed.
            if let Some(owner) = known() {
                return Ok(owner);
            }
        }
        // Not listed, but it says whose it is. Only now: there are schemes with a plus of their own.
        // Nor need it be listed where there is nobody else who might have it.
        let only = || (self.hub.peers.len() == 1).then(|| (0, uri.to_owned()));
        let unknown = || Refusal::unknown_resource(uri, self.speech.is_modern()).into();
        known().or_else(prefixed).or_else(only).ok_or_else(unknown)
    }
}
