//! JSON objects, and nothing else in their place.

use serde::{Deserialize, de::Error};
use std::str;

/// Reads an object.
///
/// Left to itself, serde also takes a list for a struct, its members in the order of the fields, and does not look
/// into strings that it skips, whatever bytes they hold.
pub(crate) fn object<'t, T: Deserialize<'t>>(text: &'t [u8]) -> serde_json::Result<T> {
    let text = str::from_utf8(text).map_err(Error::custom)?;
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        Err(Error::custom("it is no object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Named {
        name: String,
    }

    #[test]
    fn only_an_object_is_one() {
        let named: Named = object(b" {\"name\": \"n\", \"other\": 1}\n").unwrap();
        assert_eq!(named.name, "n");
        let others: [&[u8]; 5] =
            [br#"["n"]"#, b"\"n\"", b"", b"{", b"{\"name\": \"n\", \"other\": \"\xff\"}"];
        for text in others {
            object::<Named>(text).unwrap_err();
        }
    }
}
