//! The native configuration as it is written.
//!
//! Unknown keys are errors. Values that are parsed further are kept with their place, for whoever has to be told that
//! they are wrong.

mod auth;
mod authorization_server;
mod overrides;
mod permit;
mod store;

pub(crate) use self::{auth::*, authorization_server::*, overrides::*, permit::*, store::*};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{fmt, marker::PhantomData};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: Option<Spanned<String>>,
    pub(crate) public_url: Option<Spanned<String>>,
    /// Who tells where requests come from.
    pub(crate) trusted_proxies: Option<Vec<Spanned<String>>>,
    /// May be left out where there is an authorization server: its own tokens are believed anyway.
    pub(crate) identity: Option<Spanned<Identity>>,
    /// Whether anonymous callers may come from other machines.
    #[serde(default)]
    pub(crate) dangerous_allow_anonymous: bool,
    pub(crate) backends: Spanned<Named<Backend>>,
    pub(crate) naming: Option<Naming>,
    pub(crate) sessions: Option<Sessions>,
    pub(crate) lists: Option<Lists>,
    pub(crate) tools: Option<AllTools>,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) authorization_server: Option<AuthorizationServer>,
    pub(crate) store: Option<Spanned<Store>>,
}

/// How the names of several backends stay apart: in one of these ways.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Naming {
    /// `backend`, `none`, or a template.
    pub(crate) prefix: Option<Spanned<String>>,
    /// The backends, in the order in which their names count.
    pub(crate) priority: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) manual: Option<Spanned<Named<NamedByHand>>>,
}

/// What clients call what a backend has, by its own names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedByHand {
    pub(crate) tools: Option<Named<Spanned<String>>>,
    pub(crate) prompts: Option<Named<Spanned<String>>>,
}

/// The sessions of clients that open one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sessions {
    pub(crate) key: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) former_keys: Vec<Spanned<String>>,
    pub(crate) lifetime_seconds: Option<Spanned<u32>>,
    pub(crate) idle_seconds: Option<Spanned<u32>>,
}

/// The tools of all backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllTools {
    /// Whether clients see two tools that find and call the others.
    #[serde(default)]
    pub(crate) search: bool,
}

/// How lists of several backends become one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lists {
    pub(crate) deadline_seconds: Option<Spanned<u32>>,
    #[serde(default)]
    pub(crate) partial: Partial,
}

/// What a list is worth that misses a backend.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Partial {
    #[default]
    Report,
    Fail,
}

/// Whose word counts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Identity {
    /// Nobody's: callers are not told apart.
    Anonymous,
    Issuers(Spanned<Vec<Issuer>>),
}

/// One identity provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    pub(crate) issuer: Spanned<String>,
    /// What its tokens for us have to be for; our own address at `/mcp` where nothing is said.
    pub(crate) audience: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) required_scopes: Vec<String>,
}

/// One MCP server that requests are relayed to: an address, or a program of this machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backend {
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) command: Option<Spanned<String>>,
    pub(crate) args: Option<Spanned<Vec<String>>>,
    pub(crate) env: Option<Spanned<Named<Spanned<String>>>>,
    pub(crate) cwd: Option<Spanned<String>>,
    pub(crate) max_processes: Option<Spanned<u32>>,
    pub(crate) auth: Option<Spanned<Auth>>,
    /// Headers of the client's own that go along.
    #[serde(default)]
    pub(crate) forward_headers: Vec<Spanned<String>>,
    pub(crate) tools: Option<Tools>,
    /// Whether only tools are there that say they change nothing.
    #[serde(default)]
    pub(crate) read_only: bool,
}

/// Which tools of a backend there are, by its own names; `*` stands for anything, `/…/` is a regular expression.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tools {
    pub(crate) allow: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(crate) deny: Vec<Spanned<String>>,
    pub(crate) rename: Option<Named<Spanned<String>>>,
    pub(crate) overrides: Option<Named<Spanned<Override>>>,
}

/// Who may do what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authorization {
    /// Of these, one has to let a call pass.
    pub(crate) rules: Spanned<Vec<Spanned<Permit>>>,
}

/// Who becomes which role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roles {
    #[serde(default)]
    pub(crate) rules: Vec<Spanned<Rule>>,
    pub(crate) fallback: Option<Spanned<String>>,
    pub(crate) role_claim: Option<Spanned<String>>,
    pub(crate) role_claim_format: Option<RoleClaimFormat>,
    /// Whether whoever acts for a caller needs the same role.
    #[serde(default)]
    pub(crate) actor_ceiling: bool,
}

/// One rule: a condition, and the role of whoever meets it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) when: Option<Spanned<String>>,
    pub(crate) claim: Option<Spanned<String>>,
    pub(crate) role: Spanned<String>,
    pub(crate) priority: Option<i64>,
    #[serde(default)]
    pub(crate) on_error: OnError,
}

/// What a rule that cannot be decided means.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnError {
    #[default]
    Deny,
    Skip,
}

/// How the role claim holds several values.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoleClaimFormat {
    SpaceSeparated,
}

/// Which STS.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sts {
    pub(crate) region: Option<Spanned<String>>,
    pub(crate) endpoint: Option<Spanned<String>>,
    pub(crate) duration_seconds: Option<Spanned<u32>>,
}

/// A map in the order it is written, each name with its place.
#[derive(Debug)]
pub(crate) struct Named<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Named(entries))
    }
}
