//! JSON of which everybody reads the same: no name is there twice in one object, since of such some readers take the first
//! and some the last, and whoever decides must not read another value than whoever acts on it.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value, value::RawValue};
use std::fmt;

/// An object; or why nobody can be sure what it says.
pub(super) fn object(text: &RawValue) -> Result<Map<String, Value>, String> {
    let Strict(value) = serde_json::from_str(text.get()).map_err(|error| plainly(&error))?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("they are no object".to_owned())
        }
    }
}

/// Without the place, which is one in a text of ours.
fn plainly(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

#[derive(Clone, Copy)]
struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is too large"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom("a name is there twice"));
            }
            let value = members.next_value_seed(self)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, String> {
        object(serde_json::from_str(text).unwrap()).map(Value::Object)
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        let good =
            r#"{"a":1,"b":[{"a":-2},{"a":1.5}],"c":18446744073709551615,"d":null,"e":"\u00e9","f":true}"#;
        assert_eq!(read(good).unwrap(), serde_json::from_str::<Value>(good).unwrap());
        assert_eq!(read("null").unwrap(), json!({}));
        for (text, why) in [
            (r#"{"a":1,"a":1}"#, "a name is there twice"),
            (r#"{"a":1,"\u0061":2}"#, "a name is there twice"),
            (r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#, "a name is there twice"),
            (r#"{"a":1e400}"#, "number out of range"),
            (r#"{"a":"\ud800"}"#, "hex escape"),
            ("[]", "no object"),
            ("7", "no object"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(why), "{text}: {problem}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
        assert!(read(&deep).unwrap_err().contains("recursion"));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_everybody_reads(
            names in proptest::collection::vec("[a-c]", 0..4),
            numbers in proptest::collection::vec(any::<i64>(), 4),
        ) {
            let members: Vec<_> = names.iter().zip(numbers).map(|(name, n)| format!("\"{name}\":{n}")).collect();
            let text = format!("{{{}}}", members.join(","));
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            match read(&text) {
                Ok(value) => prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap()),
                Err(_) => prop_assert!(distinct.len() < names.len()),
            }
        }
    }
}
