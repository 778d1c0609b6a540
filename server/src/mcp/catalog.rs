//! What a backend has: its lists, read to their end; and whose it is what a client asks for.

use super::{
    before::Owners,
    error::{Refusal, Refused},
    lasting::{Lists, Wanted},
    naming::Naming,
    object::Object,
    peer::Peer,
    pool::Authority,
    talk::Talk,
    view::Effects,
    wire::quoted,
};
use countersign::clock::Clock;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// What there are lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// A list of one backend.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    pub(super) items: Vec<Item>,
    /// How long the backend says that it stays so.
    pub(super) ttl: u64,
    /// Whether it says that everybody sees the same.
    pub(super) is_public: bool,
    /// What is not in it, and why.
    pub(super) notes: Vec<String>,
}

/// One tool, prompt, resource or template, as it came.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) text: Box<RawValue>,
    /// By which it is asked for.
    pub(super) name: String,
}

/// What was found in lists, for each authority apart.
#[derive(Debug)]
pub(super) struct Catalogues {
    found: Mutex<HashMap<Authority, Found>>,
    lists: Lists,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Found {
    until: SystemTime,
    /// By what clients call it: which backend has it, and what that calls it.
    owners: HashMap<(Kind, String), (usize, String)>,
    /// With the backend, and how much of a URI says only whose it is.
    templates: Vec<(String, usize, usize)>,
    /// What tools do, by backend and by what that calls them.
    effects: HashMap<(usize, String), Effects>,
}

/// A backend's pages, items and bytes, of which nobody needs more.
const MOST_PAGES: usize = 200;
const MOST_ITEMS: usize = 10_000;
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// How long the owners are remembered that a list told, and of how many callers.
const REMEMBERED: Duration = Duration::from_secs(60);
const MOST_CALLERS: usize = 10_000;
/// How many names of links are known of one caller, beside those of lists.
const MOST_NAMES: usize = 100_000;

impl Kind {
    /// What a method lists.
    pub(super) fn listed_by(method: &str) -> Option<Self> {
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates]
            .into_iter()
            .find(|kind| kind.method() == method)
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The method that uses one of them, as rules are asked about it.
    pub(super) fn use_(self) -> &'static str {
        match self {
            Self::Tools => "tools/call",
            Self::Prompts => "prompts/get",
            Self::Resources | Self::Templates => "resources/read",
        }
    }

    /// Where a result holds them.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// Which member names one of them.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// What clients call the one that a backend calls `name`.
    pub(super) fn exposed(self, naming: &Naming, peer: &Peer, name: &str) -> String {
        match self {
            Self::Tools => naming.exposed(self, peer.place, peer.tools.shown(name).unwrap_or(name)),
            Self::Prompts => naming.exposed(self, peer.place, name),
            Self::Resources | Self::Templates => name.to_owned(),
        }
    }
}

impl Talk<'_> {
    /// Everything of this kind that `peer` has and this caller may use, in the order in which it says so.
    pub(super) async fn list(&self, peer: &Peer, kind: Kind) -> Result<Listed, Refused> {
        let lists = &self.hub.catalogues.lists;
        let wanted = Wanted::by(self.authority, self.speech.as_meta(), peer.place, kind);
        let listed = match lists.find(&wanted).await {
            Ok(listed) => listed,
            Err(turn) => {
                let listed = self.list_whole(peer, kind).await?;
                lists.keep(&wanted, &turn, &listed);
                listed
            }
        };
        Ok(self.seen(peer, kind, listed))
    }

    async fn list_whole(&self, peer: &Peer, kind: Kind) -> Result<Listed, Refused> {
        let mut listed = Listed { ttl: u64::MAX, is_public: true, ..Listed::default() };
        let (mut cursor, mut bytes, mut names) = (None::<String>, 0, HashSet::new());
        for _ in 0..MOST_PAGES {
            let members =
                cursor.as_ref().map_or_else(String::new, |cursor| format!("\"cursor\":{}", quoted(cursor)));
            let page = match self.ask(peer, kind.method(), &members).await {
                Ok(page) => page,
                // It has nothing of this kind.
                Err(refused) if refused.is_unknown_method() => return Ok(listed),
                Err(refused) => return Err(refused),
            };
            bytes += page.len();
            let Some(page) = Page::parse(&page, kind) else {
                return Err(Refusal::backend(peer.name(), "lists something that is no list").into());
            };
            listed.ttl = listed.ttl.min(page.ttl);
            listed.is_public &= page.is_public;
            for text in page.items {
                listed.take(text, kind, &mut names);
            }
            if page.next.is_none() {
                return Ok(listed);
            }
            if page.next == cursor {
                listed
                    .notes
                    .push("the list goes on with the same page for ever, so it was cut there".to_owned());
                return Ok(listed);
            }
            if listed.items.len() > MOST_ITEMS || bytes > MOST_BYTES {
                break;
            }
            cursor = page.next;
        }
        listed
            .notes
            .push(format!("the list is too long, so it was cut after {} of them", listed.items.len()));
        Ok(listed)
    }
}

impl Listed {
    fn take(&mut self, text: &RawValue, kind: Kind, names: &mut HashSet<String>) {
        match name_in(text, kind) {
            Some((name, _)) if name.is_empty() => {
                self.notes.push("one without a name was left out".to_owned())
            }
            Some((name, _)) if !names.insert(name.clone()) => {
                self.notes.push(format!("`{name}` is there twice, so the second was left out"));
            }
            Some((name, _)) => self.items.push(Item { text: text.to_owned(), name }),
            None => self.notes.push("one that has no name was left out".to_owned()),
        }
    }
}

/// What something is called, and where it says so.
pub(super) fn name_in(text: &RawValue, kind: Kind) -> Option<(String, &str)> {
    // Of several, the last one counts.
    let written = Object::parse(text)?.all(kind.key()).last()?.get();
    Some((serde_json::from_str(written).ok()?, written))
}

struct Page<'a> {
    items: Vec<&'a RawValue>,
    next: Option<String>,
    ttl: u64,
    is_public: bool,
}

impl<'a> Page<'a> {
    fn parse(result: &'a [u8], kind: Kind) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Members<'a> {
            #[serde(borrow)]
            tools: Option<Vec<&'a RawValue>>,
            #[serde(borrow)]
            prompts: Option<Vec<&'a RawValue>>,
            #[serde(borrow)]
            resources: Option<Vec<&'a RawValue>>,
            #[serde(borrow)]
            resource_templates: Option<Vec<&'a RawValue>>,
            next_cursor: Option<String>,
            ttl_ms: Option<u64>,
            cache_scope: Option<String>,
        }
        let members: Members<'a> = serde_json::from_slice(result).ok()?;
        let items = match kind {
            Kind::Tools => members.tools,
            Kind::Prompts => members.prompts,
            Kind::Resources => members.resources,
            Kind::Templates => members.resource_templates,
        };
        let is_public = members.cache_scope.as_deref() == Some("public");
        Some(Self { items: items?, next: members.next_cursor, ttl: members.ttl_ms.unwrap_or(0), is_public })
    }
}

impl Catalogues {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { found: Mutex::default(), lists: Lists::new(clock.clone()), clock }
    }

    /// Remembers whose things of this kind are.
    pub(super) fn learn(&self, authority: Authority, kind: Kind, owners: Owners) {
        self.with(authority, |found| {
            found.owners.retain(|(of, _), _| *of != kind);
            if kind == Kind::Templates {
                let template = |(template, (place, theirs)): (&String, &(usize, String))| {
                    (template.clone(), *place, template.len().saturating_sub(theirs.len()))
                };
                found.templates = owners.iter().map(template).collect();
            }
            found.owners.extend(owners.into_iter().map(|(name, owner)| ((kind, name), owner)));
        });
    }

    /// Remembers one more name, if there is room.
    pub(super) fn note(&self, authority: Authority, kind: Kind, ours: String, owner: (usize, String)) {
        self.with(authority, |found| {
            if found.owners.len() < MOST_NAMES {
                found.owners.insert((kind, ours), owner);
            }
        });
    }

    /// Remembers what the tools of a backend do.
    pub(super) fn learn_effects(&self, authority: Authority, place: usize, effects: Vec<(String, Effects)>) {
        self.with(authority, |found| {
            found.effects.retain(|(of, _), _| *of != place);
            found.effects.extend(effects.into_iter().map(|(name, effects)| ((place, name), effects)));
        });
    }

    /// What a tool does, as its backend calls it.
    pub(super) fn effects(&self, authority: Authority, place: usize, name: &str) -> Option<Effects> {
        let now = self.clock.now();
        let found = self.lock();
        let found = found.get(&authority).filter(|found| found.until > now)?;
        found.effects.get(&(place, name.to_owned())).cloned()
    }

    fn with(&self, authority: Authority, learn: impl FnOnce(&mut Found)) {
        let now = self.clock.now();
        let mut found = self.lock();
        if found.len() >= MOST_CALLERS {
            found.retain(|_, found| found.until > now);
        }
        if found.len() >= MOST_CALLERS {
            return;
        }
        let fresh = || Found {
            until: now + REMEMBERED,
            owners: HashMap::new(),
            templates: Vec::new(),
            effects: HashMap::new(),
        };
        let found = found.entry(authority).or_insert_with(fresh);
        if found.until <= now {
            *found = fresh();
        }
        learn(found);
    }

    /// Whose it is, and what that backend calls it.
    pub(super) fn owner(&self, authority: Authority, kind: Kind, name: &str) -> Option<(usize, String)> {
        let now = self.clock.now();
        let found = self.lock();
        let found = found.get(&authority).filter(|found| found.until > now)?;
        found.owners.get(&(kind, name.to_owned())).cloned()
    }

    /// Which backend has a template that `uri` fits, and what that calls it.
    pub(super) fn owner_of_template(&self, authority: Authority, uri: &str) -> Option<(usize, String)> {
        let now = self.clock.now();
        let found = self.lock();
        let found = found.get(&authority).filter(|found| found.until > now)?;
        let (_, place, ours) = found.templates.iter().find(|(template, ..)| fits(template, uri))?;
        Some((*place, uri.get(*ours..)?.to_owned()))
    }

    /// Something of this kind has changed at the backend at `place`, for whomever.
    pub(super) fn forget(&self, place: usize, kind: Kind) {
        let is_about = |of: Kind| of == kind || (of == Kind::Templates && kind == Kind::Resources);
        for kind in [Kind::Tools, Kind::Prompts, Kind::Resources, Kind::Templates]
            .into_iter()
            .filter(|of| is_about(*of))
        {
            self.lists.forget(place, kind);
        }
        for found in self.lock().values_mut() {
            found.owners.retain(|(of, _), _| !is_about(*of));
            if is_about(Kind::Tools) {
                found.effects.clear();
            }
            if is_about(Kind::Templates) {
                found.templates.clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Authority, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a URI may be what a template (RFC 6570) makes: its fixed parts are there, in their order.
pub(super) fn fits(template: &str, uri: &str) -> bool {
    let (mut template, mut uri) = (template, uri);
    let mut fixed_start = true;
    loop {
        let (fixed, rest) = template.split_once('{').unwrap_or((template, ""));
        let is_last = !template.contains('{');
        let found = match (fixed_start, is_last) {
            (true, true) => return uri == fixed,
            (true, false) => uri.strip_prefix(fixed),
            (false, true) => return uri.ends_with(fixed),
            (false, false) => uri.split_once(fixed).map(|(_, rest)| rest),
        };
        let (Some(after), Some((_, rest))) = (found, rest.split_once('}')) else { return false };
        (template, uri, fixed_start) = (rest, after, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_fits_the_template_it_was_made_from() {
        for (template, uri, expected) in [
            ("a://stock/{sku}", "a://stock/A-100", true),
            ("a://stock/{sku}", "a://other/A-100", false),
            ("a://{x}/data", "a://7/data", true),
            ("a://{x}/data", "a://7/date", false),
            ("a://{x}/{y}/z", "a://1/2/z", true),
            ("a://b", "a://b", true),
            ("a://b", "a://bc", false),
            ("{+any}", "whatever", true),
            ("a://{unfinished", "a://x", false),
        ] {
            assert_eq!(fits(template, uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn pages_are_read_and_their_items_stay_as_they_are() {
        let page = br#"{"tools":[{"name":"a", "x":1.0},{"name":"a"},{},"text",{"name":7},{"name":""}],"nextCursor":"2"}"#;
        let page = Page::parse(page, Kind::Tools).unwrap();
        let mut names = HashSet::new();
        let mut listed = Listed::default();
        for text in page.items {
            listed.take(text, Kind::Tools, &mut names);
        }
        assert_eq!(listed.items.len(), 1);
        assert_eq!(listed.items[0].text.get(), r#"{"name":"a", "x":1.0}"#);
        assert_eq!(listed.notes.len(), 5, "{:?}", listed.notes);
        assert_eq!(page.next.as_deref(), Some("2"));
        assert!(Page::parse(br#"{"prompts":[]}"#, Kind::Tools).is_none());
    }
}
