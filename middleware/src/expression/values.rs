//! JSON as values of CEL, made when they are looked at and kept for the next look.

use crate::proof::{Actor, UpstreamTokens};
use cel::{
    ExecutionError,
    common::{
        traits::{Container, Indexer},
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, Type},
        value::{CowVal, Val},
    },
};
use serde_json::{Map, Value};
use std::{collections::HashMap, fmt, sync::OnceLock};

pub(super) type Boxed<'v> = Box<dyn Val + 'v>;

/// The claims of a token: a map whose members are converted one by one, at first use. Texts are never copied.
pub(super) struct Claims<'a> {
    all: &'a Map<String, Value>,
    first: OnceLock<Box<Converted<'a>>>,
}

/// A link in the chain of what was converted so far: rules look at few claims, each at the same.
struct Converted<'a> {
    name: &'a str,
    value: Boxed<'a>,
    next: OnceLock<Box<Self>>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(all: &'a Map<String, Value>) -> Self {
        Self { all, first: OnceLock::new() }
    }

    pub(super) fn all(&self) -> &'a Map<String, Value> {
        self.all
    }

    pub(super) fn find(&self, name: &str) -> Option<&(dyn Val + 'a)> {
        let mut slot = &self.first;
        while let Some(converted) = slot.get() {
            if converted.name == name {
                return Some(&*converted.value);
            }
            slot = &converted.next;
        }
        let (name, value) = self.all.get_key_value(name)?;
        loop {
            let converted = slot
                .get_or_init(|| Box::new(Converted { name, value: value_of(value), next: OnceLock::new() }));
            if converted.name == name {
                return Some(&*converted.value);
            }
            slot = &converted.next;
        }
    }
}

impl Claims<'_> {
    /// What is behind `in`: nothing if the claim is absent, and a list as it is, since nobody keeps it.
    pub(super) fn searched(&self, name: &str) -> CowVal<'_, '_> {
        match self.all.get(name) {
            None => CowVal::owned(Searched(&[])),
            Some(Value::Array(values)) => CowVal::owned(Searched(values)),
            Some(_) => self.find(name).map_or_else(|| CowVal::owned(Searched(&[])), CowVal::Borrowed),
        }
    }
}

/// A list that is only searched, and so never converted.
#[derive(Clone)]
struct Searched<'a>(&'a [Value]);

impl Val for Searched<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelList::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Boxed<'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Container for Searched<'_> {
    fn contains(&self, wanted: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(match wanted.downcast_ref::<CelString>() {
            Some(wanted) => self.0.iter().any(|value| value.as_str() == Some(wanted.inner())),
            None => self.0.iter().any(|value| value_of(value).equals(wanted)),
        })
    }
}

impl fmt::Debug for Searched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searched").finish_non_exhaustive()
    }
}

impl Drop for Claims<'_> {
    /// Link by link: who looks at thousands of claims would otherwise need a stack as deep.
    fn drop(&mut self) {
        let mut next = self.first.take();
        while let Some(mut converted) = next {
            next = converted.next.take();
        }
    }
}

impl Val for Claims<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        CelMap::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Boxed<'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.all))
    }
}

impl Container for Claims<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(name_of(key)?.is_some_and(|name| self.all.contains_key(name)))
    }
}

impl Indexer for Claims<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let found = name_of(key)?.and_then(|name| self.find(name));
        found.map(CowVal::Borrowed).ok_or_else(|| ExecutionError::no_such_key("claim"))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Boxed<'v>, ExecutionError>
    where
        Self: 'v,
    {
        match name_of(key)?.and_then(|name| self.all.get(name)) {
            Some(value) => Ok(value_of(value)),
            None => Err(ExecutionError::no_such_key("claim")),
        }
    }
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

/// Who acts for the caller, as maps of `sub` and, where it is known, `iss`.
pub(super) fn actors<'a>(actors: &'a [Actor]) -> Boxed<'a> {
    let one = |actor: &'a Actor| {
        let issuer = actor.issuer().map(|issuer| entry("iss", text(issuer)));
        map(issuer.into_iter().chain([entry("sub", text(actor.subject()))]))
    };
    Box::new(CelList::from(actors.iter().map(one).collect::<Vec<_>>()))
}

/// The providers that issued the caller a token, each with the claims that are known from there.
pub(super) fn upstream(tokens: Option<&UpstreamTokens>) -> Boxed<'_> {
    let providers = tokens.into_iter().flat_map(UpstreamTokens::iter);
    map(providers.map(|(provider, token)| {
        let claims = token.claims().map(|claims| entry("claims", object(claims)));
        entry(provider, map(claims))
    }))
}

pub(super) fn text<'a>(text: &'a str) -> Boxed<'a> {
    Box::new(CelString::from(text))
}

fn value_of<'a>(value: &'a Value) -> Boxed<'a> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Box::new(CelInt::from(value)),
            (None, Some(value)) => Box::new(CelUInt::from(value)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(value) => text(value),
        Value::Array(values) => Box::new(CelList::from(values.iter().map(value_of).collect::<Vec<_>>())),
        Value::Object(members) => object(members),
    }
}

fn object<'a>(members: &'a Map<String, Value>) -> Boxed<'a> {
    map(members.iter().map(|(name, value)| entry(name, value_of(value))))
}

fn map<'a>(entries: impl IntoIterator<Item = (CelMapKey<'a>, Boxed<'a>)>) -> Boxed<'a> {
    Box::new(CelMap::from(entries.into_iter().collect::<HashMap<_, _>>()))
}

fn entry<'a>(name: &'a str, value: Boxed<'a>) -> (CelMapKey<'a>, Boxed<'a>) {
    (CelMapKey::String(CelString::from(name)), value)
}

/// `None` for what could be a key of another map, and is none of this one.
fn name_of(key: &dyn Val) -> Result<Option<&str>, ExecutionError> {
    if let Some(name) = key.downcast_ref::<CelString>() {
        return Ok(Some(name.inner()));
    }
    let number = key.downcast_ref::<CelInt>().is_some()
        || key.downcast_ref::<CelUInt>().is_some()
        || key.downcast_ref::<CelDouble>().is_some();
    if number || key.downcast_ref::<CelBool>().is_some() {
        return Ok(None);
    }
    let got = key.get_type().name().to_owned();
    Err(ExecutionError::UnexpectedType { got, want: "map key".to_owned() })
}
