//! What the one endpoint in front of all backends does: names, sessions, lists.

use super::{
    diagnostic::Findings,
    key::resolve_key,
    raw,
    tools::{Access, Tools, resolve_access, resolve_tools},
};
use crate::store::SealingKey;
use serde_saphyr::Spanned;
use std::time::Duration;

/// How many backends are one.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) prefix: Prefix,
    pub(crate) sessions: Sessions,
    pub(crate) lists: Lists,
    pub(crate) access: Access,
    /// One for each backend, in their order.
    pub(crate) tools: Vec<Tools>,
}

/// What tells apart what backends call by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// `backend__tool`.
    Backend,
    /// Names stay as they are. Of two that are the same, the one of the earlier backend counts.
    None,
}

/// Sessions of clients that open one.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// `None`: one that ends with the process.
    pub(crate) key: Option<SealingKey>,
    pub(crate) lifetime: Duration,
    pub(crate) idle: Duration,
}

/// How lists of several backends become one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lists {
    /// How long a backend may take.
    pub(crate) deadline: Duration,
    /// Whether one backend that fails makes the whole list fail.
    pub(crate) all_or_nothing: bool,
}

/// What was written about the endpoint in front of these backends; `None` where `findings` says why not.
pub(super) fn resolve_endpoint(
    naming: Option<raw::Naming>,
    sessions: Option<raw::Sessions>,
    lists: Option<raw::Lists>,
    authorization: Option<raw::Authorization>,
    backends: &raw::Named<raw::Backend>,
    findings: &mut Findings,
) -> Option<Endpoint> {
    let prefix = match naming.and_then(|naming| naming.prefix) {
        Some(raw::Prefix::Backend) => Prefix::Backend,
        Some(raw::Prefix::None) => Prefix::None,
        None if backends.0.len() > 1 => Prefix::Backend,
        None => Prefix::None,
    };
    let sessions = resolve_sessions(sessions.unwrap_or_default(), findings);
    let lists = resolve_lists(&lists.unwrap_or_default(), findings);
    let access = resolve_access(authorization, findings);
    let tools: Vec<_> = backends.0.iter().map(|(_, backend)| resolve_tools(backend, findings)).collect();
    let tools = tools.into_iter().collect::<Option<_>>();
    Some(Endpoint { prefix, sessions: sessions?, lists: lists?, access: access?, tools: tools? })
}

fn resolve_sessions(raw: raw::Sessions, findings: &mut Findings) -> Option<Sessions> {
    let key = raw.key.map(|reference| resolve_key(&reference, findings));
    let lifetime = seconds(raw.lifetime_seconds.as_ref(), 24 * 60 * 60, findings);
    let idle = seconds(raw.idle_seconds.as_ref(), 60 * 60, findings);
    let key = match key {
        Some(key) => Some(key?),
        None => None,
    };
    Some(Sessions { key, lifetime: lifetime?, idle: idle? })
}

fn resolve_lists(raw: &raw::Lists, findings: &mut Findings) -> Option<Lists> {
    let deadline = seconds(raw.deadline_seconds.as_ref(), 10, findings)?;
    Some(Lists { deadline, all_or_nothing: matches!(raw.partial, raw::Partial::Fail) })
}

fn seconds(written: Option<&Spanned<u32>>, default: u32, findings: &mut Findings) -> Option<Duration> {
    if let Some(Spanned { value: 0, referenced, .. }) = written {
        findings.error(*referenced, "no time at all is too little", "write a number of seconds");
        return None;
    }
    Some(Duration::from_secs(written.map_or(default, |seconds| seconds.value).into()))
}
