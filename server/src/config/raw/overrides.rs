//! What of a tool is said in place of its backend, as it is written.

use super::Named;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

/// One tool, by its backend's name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    pub(crate) description: Option<String>,
    pub(crate) annotations: Option<Annotations>,
    pub(crate) arguments: Option<Named<Spanned<Argument>>>,
}

/// What MCP knows to say of what a tool does, in its own words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Annotations {
    pub(crate) title: Option<String>,
    pub(crate) read_only_hint: Option<bool>,
    pub(crate) destructive_hint: Option<bool>,
    pub(crate) idempotent_hint: Option<bool>,
    pub(crate) open_world_hint: Option<bool>,
}

/// One argument: a value for each call, or for calls without it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Argument {
    #[serde(default, deserialize_with = "present")]
    pub(crate) fixed: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) default: Option<Value>,
}

/// `null` is a value here, which `Option` alone would take for an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
