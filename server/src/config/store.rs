//! Where things are kept, and what they are sealed with.

use super::{
    diagnostic::Findings,
    key::resolve_seal,
    raw,
    secret::{resolve_file, resolve_secret},
};
use crate::store::{Seal, SealingKey, redis};
use secrecy::ExposeSecret;
use serde_saphyr::{Location, Spanned};
use std::{fmt, path::PathBuf, str::FromStr};

/// What a store is made of.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) medium: Medium,
    pub(crate) seal: Seal,
}

/// Where the records are.
#[derive(Debug)]
pub(crate) enum Medium {
    Memory,
    File(PathBuf),
    Redis(Box<redis::Settings>),
}

/// `None` where `findings` says why, or where nothing is kept.
pub(super) fn resolve_store(
    raw: Option<Spanned<raw::Store>>,
    is_needed: bool,
    findings: &mut Findings,
) -> Option<Option<Store>> {
    let Some(Spanned { value: raw, referenced: place, .. }) = raw else {
        if !is_needed {
            return Some(None);
        }
        let remedy =
            "add `store: { file: PATH, key: env:NAME }`; `store: { memory: true }` says that it is meant so";
        findings.warn(Location::UNKNOWN, "what callers connect is forgotten when this server ends", remedy);
        return Some(Some(Store { medium: Medium::Memory, seal: throwaway(Location::UNKNOWN, findings)? }));
    };
    let seal = resolve_seal(raw.key.as_ref(), &raw.former_keys, findings);
    let medium = match (raw.memory, raw.file, raw.redis) {
        (true, None, None) => {
            let seal = if raw.key.is_some() { seal?? } else { throwaway(place, findings)? };
            return Some(Some(Store { medium: Medium::Memory, seal }));
        }
        (false, Some(path), None) => Some(Medium::File(findings.beside(&path.value))),
        (false, None, Some(redis)) => resolve_redis(*redis, findings).map(Box::new).map(Medium::Redis),
        _ => {
            let what = "a store is in one place";
            findings.error(place, what, "keep one of `file: PATH`, `redis: {…}` and `memory: true`");
            return None;
        }
    };
    let Some(seal) = seal? else {
        let what = "nothing says with what values are sealed (V-15)";
        findings.error(place, what, "add `key: env:NAME`; make one with `openssl rand -base64 32`");
        return None;
    };
    Some(Some(Store { medium: medium?, seal }))
}

/// For what ends with this process.
fn throwaway(place: Location, findings: &mut Findings) -> Option<Seal> {
    let key = SealingKey::random();
    let remedy = "look at this system's source of randomness";
    key.map_err(|error| findings.error(place, error.to_string(), remedy))
        .ok()
        .map(|key| Seal::new(key, Vec::new()))
}

fn resolve_redis(raw: Spanned<raw::Redis>, findings: &mut Findings) -> Option<redis::Settings> {
    let Spanned { value: raw, referenced: place, .. } = raw;
    let deployment = match (raw.address, raw.cluster, raw.sentinel) {
        (Some(address), None, None) => parsed(&address, findings).map(redis::Deployment::Standalone),
        (None, Some(nodes), None) => all(&nodes, place, findings).map(redis::Deployment::Cluster),
        (None, None, Some(sentinel)) => resolve_sentinel(sentinel, place, findings),
        _ => {
            let what = "this says of no Redis, or of several, how to get there";
            findings.error(place, what, "keep one of `address`, `cluster` and `sentinel`");
            None
        }
    };
    let credentials = resolve_credentials(raw.username, raw.password, findings);
    let tls = raw.tls.map(|tls| resolve_tls(tls, place, findings));
    let prefix = raw.prefix.map(|prefix| parsed(&prefix, findings));
    let mut settings = redis::Settings::new(deployment?);
    settings.credentials = credentials?;
    settings.tls = match tls {
        Some(tls) => Some(tls?),
        None => None,
    };
    settings.database = raw.database.unwrap_or_default();
    if let Some(prefix) = prefix {
        settings.prefix = prefix?;
    }
    let remedy = "correct the address, or the certificates";
    settings.check().map_err(|error| findings.error(place, error.to_string(), remedy)).ok()?;
    Some(settings)
}

fn resolve_sentinel(
    raw: raw::Sentinel,
    place: Location,
    findings: &mut Findings,
) -> Option<redis::Deployment> {
    let sentinels = all(&raw.addresses, place, findings);
    let credentials = resolve_credentials(raw.username, raw.password, findings);
    Some(redis::Deployment::Sentinel {
        sentinels: sentinels?,
        primary: raw.primary,
        credentials: credentials?,
    })
}

/// The outer `None` is a mistake, the inner one means that nobody is asked who this is.
fn resolve_credentials(
    username: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
    findings: &mut Findings,
) -> Option<Option<redis::Credentials>> {
    match (username, password) {
        (username, Some(password)) => {
            let password = resolve_secret(&password, findings)?;
            Some(Some(redis::Credentials { username: username.map(|name| name.value), password }))
        }
        (Some(name), None) => {
            findings.error(name.referenced, "this user has no password", "add `password: env:NAME`");
            None
        }
        (None, None) => Some(None),
    }
}

fn resolve_tls(raw: raw::Tls, place: Location, findings: &mut Findings) -> Option<redis::Tls> {
    let authorities = raw.authorities.map(|path| resolve_file(&path, findings));
    let own = match (raw.certificate, raw.key) {
        (Some(certificate), Some(key)) => {
            let certificate = resolve_file(&certificate, findings);
            let key = resolve_secret(&key, findings);
            Some((certificate?, key?.expose_secret().as_bytes().to_vec().into()))
        }
        (None, None) => None,
        _ => {
            let remedy = "name both `certificate: PATH` and `key: file:PATH`";
            findings.error(place, "half a certificate shows nobody who this is", remedy);
            return None;
        }
    };
    let authorities = match authorities {
        Some(pem) => Some(pem?),
        None => None,
    };
    Some(redis::Tls { authorities, own })
}

fn all(
    addresses: &[Spanned<String>],
    place: Location,
    findings: &mut Findings,
) -> Option<Vec<redis::Address>> {
    if addresses.is_empty() {
        findings.error(place, "there is no address in this list", "name one as host:port");
        return None;
    }
    let parsed: Vec<_> = addresses.iter().map(|address| parsed(address, findings)).collect();
    parsed.into_iter().collect()
}

fn parsed<T: FromStr<Err: fmt::Display>>(text: &Spanned<String>, findings: &mut Findings) -> Option<T> {
    let remedy = "write it as in redis.internal:6379";
    text.value
        .parse()
        .map_err(|error: T::Err| findings.error(text.referenced, error.to_string(), remedy))
        .ok()
}
