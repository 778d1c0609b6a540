//! What backends had when they last said so, for each person: their names stay theirs while they fail, so that nothing of
//! another backend's is called in their place.

use super::{
    catalog::{Kind, fits},
    pool::Authority,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// By what clients call it: which backend has it, and what that calls it.
pub(super) type Owners = HashMap<String, (usize, String)>;

/// What was learned, within bounds.
#[derive(Debug)]
pub(super) struct Before {
    lists: Mutex<HashMap<Authority, HashMap<Kind, Owners>>>,
    most: usize,
}

/// How many names are known, of all persons together: some hundred megabytes.
const MOST_NAMES: usize = 1_000_000;

impl Default for Before {
    fn default() -> Self {
        Self { lists: Mutex::default(), most: MOST_NAMES }
    }
}

impl Before {
    /// Remembers whose things of this kind are, as this person sees them. Where there is no room, somebody else is forgotten.
    pub(super) fn learn(&self, person: Authority, kind: Kind, owners: Owners) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.entry(person).or_default().insert(kind, owners);
        let names = |known: &HashMap<Kind, Owners>| known.values().map(HashMap::len).sum::<usize>();
        let mut all: usize = lists.values().map(names).sum();
        while all > self.most {
            let other = lists.keys().find(|other| **other != person).copied();
            let forgotten = other.and_then(|other| lists.remove(&other));
            // One person alone has as much as backends list, which is bounded.
            let Some(forgotten) = forgotten else { break };
            all -= names(&forgotten);
        }
    }

    /// Whose thing this person called so, and what that backend calls it.
    pub(super) fn owner(&self, person: Authority, kind: Kind, ours: &str) -> Option<(usize, String)> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.get(&person)?.get(&kind)?.get(ours).cloned()
    }

    /// The same of a template that keeps its backend's name, and that `uri` fits.
    pub(super) fn owner_of_template(&self, person: Authority, uri: &str) -> Option<(usize, String)> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let mut templates = lists.get(&person)?.get(&Kind::Templates)?.iter();
        let (_, (place, _)) = templates.find(|(ours, (_, theirs))| *ours == theirs && fits(ours, uri))?;
        Some((*place, uri.to_owned()))
    }

    /// What the backend at `place` had: by what clients call it, and by what the backend does.
    pub(super) fn of(&self, person: Authority, kind: Kind, place: usize) -> Vec<(String, String)> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let owners = lists.get(&person).and_then(|known| known.get(&kind));
        let theirs = owners.into_iter().flatten().filter(|(_, (owner, _))| *owner == place);
        theirs.map(|(ours, (_, theirs))| (ours.clone(), theirs.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u8) -> Authority {
        let token = crate::mcp::invariants::trusted(&format!("person {number}"));
        Authority::of_person(token.identity())
    }

    fn names(count: usize) -> Owners {
        (0..count)
            .map(|number| (format!("ours-{number}"), (number % 2, format!("theirs-{number}"))))
            .collect()
    }

    #[test]
    fn each_person_has_what_they_saw() {
        let before = Before::default();
        before.learn(person(1), Kind::Tools, names(3));
        let mut had = before.of(person(1), Kind::Tools, 0);
        had.sort_unstable();
        assert_eq!(had, [("ours-0".into(), "theirs-0".into()), ("ours-2".into(), "theirs-2".into())]);
        assert_eq!(before.of(person(1), Kind::Tools, 1).len(), 1);
        assert!(before.of(person(1), Kind::Prompts, 0).is_empty());
        assert!(before.of(person(2), Kind::Tools, 0).is_empty());
        assert_eq!(before.owner(person(1), Kind::Tools, "ours-1"), Some((1, "theirs-1".into())));
        let templates = [("a://{x}", (0, "a://{x}")), ("one+b://{x}", (1, "b://{x}"))];
        let owned = templates.map(|(ours, (place, theirs))| (ours.to_owned(), (place, theirs.to_owned())));
        before.learn(person(1), Kind::Templates, owned.into_iter().collect());
        assert_eq!(before.owner_of_template(person(1), "a://7"), Some((0, "a://7".into())));
        assert_eq!(before.owner_of_template(person(1), "b://7"), None);
        before.learn(person(1), Kind::Tools, names(1));
        assert!(before.of(person(1), Kind::Tools, 1).is_empty(), "only the last list counts");
    }

    #[test]
    fn where_there_is_no_room_somebody_else_is_forgotten() {
        let before = Before { most: 10, ..Before::default() };
        for number in 0..20 {
            before.learn(person(number), Kind::Tools, names(4));
            assert_eq!(before.of(person(number), Kind::Tools, 0).len(), 2);
            assert!(before.lists.lock().unwrap().len() <= 2);
        }
        before.learn(person(0), Kind::Tools, names(100));
        assert_eq!(before.of(person(0), Kind::Tools, 0).len(), 50);
    }
}
