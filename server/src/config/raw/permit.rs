//! A rule about who may do what, as it is written: an expression alone, or one with more to it.

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::Spanned;
use std::fmt;

/// One rule.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) when: String,
    pub(crate) scopes: Vec<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Permit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct InFull {
            when: String,
            #[serde(default)]
            scopes: Vec<Spanned<String>>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Permit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression, or `when` and `scopes`")
            }

            fn visit_bool<E: Error>(self, constant: bool) -> Result<Permit, E> {
                Ok(Permit { when: constant.to_string(), scopes: Vec::new() })
            }

            fn visit_str<E: Error>(self, when: &str) -> Result<Permit, E> {
                Ok(Permit { when: when.to_owned(), scopes: Vec::new() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Permit, A::Error> {
                let InFull { when, scopes } = InFull::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Permit { when, scopes })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
