//! What the one endpoint in front of all backends does: names, sessions, lists.

use super::{
    access::{Access, resolve_access},
    diagnostic::Findings,
    key::resolve_seal,
    naming::{Naming, resolve_naming},
    raw,
    tools::{Tools, resolve_tools},
};
use crate::store::Seal;
use serde_saphyr::Spanned;
use std::time::Duration;

/// How many backends are one.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) naming: Naming,
    pub(crate) sessions: Sessions,
    pub(crate) lists: Lists,
    pub(crate) access: Access,
    /// Whether clients see two tools that find and call the others.
    pub(crate) searches: bool,
    /// One for each backend, in their order.
    pub(crate) tools: Vec<Tools>,
}

/// Sessions of clients that open one.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// What their ids are sealed with; `None`: with a key that ends with the process.
    pub(crate) seal: Option<Seal>,
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

/// What was written about it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) naming: Option<raw::Naming>,
    pub(super) sessions: Option<raw::Sessions>,
    pub(super) lists: Option<raw::Lists>,
    pub(super) tools: Option<raw::AllTools>,
    pub(super) authorization: Option<raw::Authorization>,
}

/// What was written about the endpoint in front of these backends; `None` where `findings` says why not.
pub(super) fn resolve_endpoint(
    said: Said,
    backends: &mut raw::Named<raw::Backend>,
    findings: &mut Findings,
) -> Option<Endpoint> {
    let Said { naming, sessions, lists, tools, authorization } = said;
    let searches = tools.is_some_and(|tools| tools.search);
    let sessions = resolve_sessions(&sessions.unwrap_or_default(), findings);
    let lists = resolve_lists(&lists.unwrap_or_default(), findings);
    let access = resolve_access(authorization, findings);
    let tools: Vec<_> = backends.0.iter_mut().map(|(_, backend)| resolve_tools(backend, findings)).collect();
    let tools: Option<Vec<_>> = tools.into_iter().collect();
    // Where tools are not what they should be, names still are looked at.
    let naming = resolve_naming(naming, &backends.0, tools.as_deref().unwrap_or_default(), findings);
    Some(Endpoint {
        naming: naming?,
        sessions: sessions?,
        lists: lists?,
        access: access?,
        searches,
        tools: tools?,
    })
}

fn resolve_sessions(raw: &raw::Sessions, findings: &mut Findings) -> Option<Sessions> {
    let seal = resolve_seal(raw.key.as_ref(), &raw.former_keys, findings);
    let lifetime = seconds(raw.lifetime_seconds.as_ref(), 24 * 60 * 60, findings);
    let idle = seconds(raw.idle_seconds.as_ref(), 60 * 60, findings);
    Some(Sessions { seal: seal?, lifetime: lifetime?, idle: idle? })
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
