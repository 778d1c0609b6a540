//! Where things are kept, as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

/// Which medium (one of the three), and what it is sealed with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// Said where it is meant that a restart forgets everything.
    #[serde(default)]
    pub(crate) memory: bool,
    pub(crate) file: Option<Spanned<String>>,
    pub(crate) redis: Option<Box<Spanned<Redis>>>,
    pub(crate) key: Option<Spanned<String>>,
    /// Keys of before, as long as something that they sealed is still there.
    #[serde(default)]
    pub(crate) former_keys: Vec<Spanned<String>>,
}

/// Which Redis, and how to get there. Exactly one of `address`, `cluster` and `sentinel`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    pub(crate) address: Option<Spanned<String>>,
    pub(crate) cluster: Option<Vec<Spanned<String>>>,
    pub(crate) sentinel: Option<Sentinel>,
    pub(crate) username: Option<Spanned<String>>,
    pub(crate) password: Option<Spanned<String>>,
    pub(crate) tls: Option<Tls>,
    pub(crate) database: Option<u16>,
    pub(crate) prefix: Option<Spanned<String>>,
}

/// The sentinels that know which Redis is the primary.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentinel {
    pub(crate) addresses: Vec<Spanned<String>>,
    pub(crate) primary: String,
    pub(crate) username: Option<Spanned<String>>,
    pub(crate) password: Option<Spanned<String>>,
}

/// TLS on the way to Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) authorities: Option<Spanned<String>>,
    pub(crate) certificate: Option<Spanned<String>>,
    pub(crate) key: Option<Spanned<String>>,
}
