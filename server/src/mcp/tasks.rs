//! Tasks: calls that go on after they were answered, and what the client calls them.
//!
//! Each backend names its tasks as it likes. So a client is told a name that says whose the task is, and that nobody can
//! make up: before a backend to which all callers are one, everybody hears of the tasks only that they began.

use super::wire::{Edits, quoted};
use crate::store::Seal;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The extension of the version without sessions.
pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Gives tasks their names.
#[derive(Debug)]
pub(super) struct Tasks(Arc<Seal>);

/// The tasks of one caller at one backend.
#[derive(Debug)]
pub(super) struct Owned {
    tasks: Arc<Tasks>,
    owner: String,
    backend: String,
}

/// What is said of tasks in a result, or in the parameters of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    task_id: Option<&'a RawValue>,
    /// The one that was begun.
    #[serde(borrow)]
    task: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

impl<'a> Said<'a> {
    pub(super) fn in_(text: &'a str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether a call goes on as a task, in the version where its progress goes on too.
    pub(super) fn began(&self) -> bool {
        self.began_as().is_some()
    }

    fn began_as(&self) -> Option<&'a RawValue> {
        Self::in_(self.task?.get()).task_id
    }

    /// The task to which a message belongs that is about something else.
    fn related(&self) -> Option<&'a RawValue> {
        #[derive(Deserialize)]
        struct Meta<'a> {
            #[serde(borrow, rename = "io.modelcontextprotocol/related-task")]
            related: Option<&'a RawValue>,
        }
        let meta: Meta<'a> = serde_json::from_str(self.meta?.get()).ok()?;
        Self::in_(meta.related?.get()).task_id
    }
}

impl Tasks {
    pub(super) fn new(seal: Arc<Seal>) -> Self {
        Self(seal)
    }

    fn name(&self, owner: &str, backend: &str, theirs: &str) -> Option<String> {
        let tag = self.0.tag(owner, &format!("{backend}:{theirs}")).ok()?;
        Some(format!("{backend}:{}:{theirs}", BASE64_URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Whose task `owner` calls so, and what that backend calls it.
    pub(super) fn read<'o>(&self, owner: &str, ours: &'o str) -> Option<(&'o str, &'o str)> {
        let (backend, rest) = ours.split_once(':')?;
        let (tag, theirs) = rest.split_once(':')?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.0.is_tag(owner, &format!("{backend}:{theirs}"), &tag).then_some((backend, theirs))
    }

    /// In what a client says of a task by the way, names that as its backend does. Whose it is.
    pub(super) fn restore(&self, edits: &mut Edits<'_>, said: &Said<'_>, owner: &str) -> Option<String> {
        let written = said.related()?;
        let ours: String = serde_json::from_str(written.get()).ok()?;
        let (backend, theirs) = self.read(owner, &ours)?;
        edits.replace(written.get(), quoted(theirs));
        Some(backend.to_owned())
    }

    /// Those of `owner` at `backend`.
    pub(super) fn of(self: &Arc<Self>, owner: String, backend: &str) -> Owned {
        Owned { tasks: self.clone(), owner, backend: backend.to_owned() }
    }
}

impl Owned {
    /// Names a task as the client does, in a message that is about it.
    pub(super) fn rename(&self, edits: &mut Edits<'_>, said: &Said<'_>) {
        for written in [said.task_id, said.began_as()].into_iter().flatten() {
            self.rename_one(edits, written);
        }
    }

    /// The same in any message that says of one by the way.
    pub(super) fn rename_related(&self, edits: &mut Edits<'_>, said: &Said<'_>) {
        if let Some(written) = said.related() {
            self.rename_one(edits, written);
        }
    }

    fn rename_one(&self, edits: &mut Edits<'_>, written: &RawValue) {
        let theirs: Option<String> = serde_json::from_str(written.get()).ok();
        if let Some(ours) = theirs.and_then(|theirs| self.tasks.name(&self.owner, &self.backend, &theirs)) {
            edits.replace(written.get(), quoted(&ours));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SealingKey;

    fn tasks() -> Arc<Tasks> {
        let seal = Seal::new(SealingKey::new(&[7; 32]).unwrap(), Vec::new());
        Arc::new(Tasks::new(Arc::new(seal)))
    }

    #[test]
    fn a_name_says_whose_the_task_is_and_is_good_for_one_caller_only() {
        let tasks = tasks();
        let ours = tasks.name("alice", "old", "a:b\"é").unwrap();
        assert_eq!(tasks.name("alice", "old", "a:b\"é").unwrap(), ours, "it is always the same");
        assert_eq!(tasks.read("alice", &ours), Some(("old", "a:b\"é")));
        for (owner, told) in [
            ("bob", ours.clone()),
            ("alice", ours.replace("old", "new")),
            ("alice", ours.replace("a:b", "a:c")),
            ("alice", "old::a".to_owned()),
            ("alice", "a".to_owned()),
        ] {
            assert_eq!(tasks.read(owner, &told), None, "{owner} {told}");
        }
    }

    #[test]
    fn tasks_are_named_wherever_they_are_said_and_nothing_else_changes() {
        let tasks = tasks();
        let ours = |theirs: &str| quoted(&tasks.name("alice", "old", theirs).unwrap());
        let owned = tasks.of("alice".to_owned(), "old");
        let related = |name: &str| {
            format!(
                r#"{{"_meta":{{"k":-0,"io.modelcontextprotocol/related-task":{{"taskId":{name}}}}},"x":1e400}}"#
            )
        };
        for (told, expected) in [
            (
                r#"{"task":{"ttl":1.0,"taskId":"a"}}"#.to_owned(),
                format!(r#"{{"task":{{"ttl":1.0,"taskId":{}}}}}"#, ours("a")),
            ),
            (
                r#"{"taskId" : "\u0061","result":{"taskId":"a"}}"#.to_owned(),
                format!(r#"{{"taskId" : {},"result":{{"taskId":"a"}}}}"#, ours("a")),
            ),
            (related("\"b\""), related(&ours("b"))),
            (
                r#"{"task":7,"taskId":[],"_meta":null}"#.to_owned(),
                r#"{"task":7,"taskId":[],"_meta":null}"#.to_owned(),
            ),
        ] {
            let mut edits = Edits::of(told.as_bytes());
            owned.rename(&mut edits, &Said::in_(&told));
            owned.rename_related(&mut edits, &Said::in_(&told));
            assert_eq!(edits.done(), expected);
        }
        let told = related(&ours("b"));
        let mut edits = Edits::of(told.as_bytes());
        assert_eq!(tasks.restore(&mut edits, &Said::in_(&told), "bob"), None);
        assert_eq!(tasks.restore(&mut edits, &Said::in_(&told), "alice").as_deref(), Some("old"));
        assert_eq!(edits.done(), related("\"b\""));
    }
}
