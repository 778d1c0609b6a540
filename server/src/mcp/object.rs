//! Objects and lists of JSON as they are written, so that parts of them can change and the rest stays to the byte.

use super::wire::{Edits, quoted};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// An object, member by member.
#[derive(Debug)]
pub(super) struct Object<'t> {
    text: &'t str,
    members: Vec<Member<'t>>,
}

#[derive(Debug)]
struct Member<'t> {
    /// `None` for what is no text, such as half of a surrogate pair.
    name: Option<String>,
    key: &'t RawValue,
    value: &'t RawValue,
}

impl<'t> Object<'t> {
    /// `None` where it is none.
    pub(super) fn parse(text: &'t RawValue) -> Option<Self> {
        let Members(members) = serde_json::from_str(text.get()).ok()?;
        Some(Self { text: text.get(), members })
    }

    /// The values of this name: there may be several, of which some readers take the first and some the last.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'t RawValue> {
        let named = self.members.iter().filter(move |member| member.name.as_deref() == Some(name));
        named.map(|member| member.value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The names that are text.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter_map(|member| member.name.as_deref())
    }

    /// Whatever the member was, it is `json` from now on.
    pub(super) fn set(&self, edits: &mut Edits<'_>, name: &str, json: &str) {
        self.all(name).for_each(|value| edits.replace(value.get(), json));
        if !self.has(name) {
            edits.add_members(self.text, &format!("{}:{json}", quoted(name)));
        }
    }

    /// Takes out the members of these names.
    pub(super) fn remove(&self, edits: &mut Edits<'_>, unwanted: impl Fn(&str) -> bool) {
        let parts = self.members.iter().map(|Member { name, key, value }| {
            (key.get(), value.get(), name.as_deref().is_some_and(&unwanted))
        });
        take_out(edits, self.text, &parts.collect::<Vec<_>>());
    }
}

/// Takes texts out of a list.
pub(super) fn remove_texts(edits: &mut Edits<'_>, list: &RawValue, unwanted: impl Fn(&str) -> bool) {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else { return };
    let parts = items.into_iter().map(|item| {
        let text = serde_json::from_str::<String>(item.get());
        (item.get(), item.get(), text.is_ok_and(|text| unwanted(&text)))
    });
    take_out(edits, list.get(), &parts.collect::<Vec<_>>());
}

/// Takes parts out of `text`, each with one of the commas around it: a part is how it begins, how it ends, and whether it
/// goes.
fn take_out(edits: &mut Edits<'_>, text: &str, parts: &[(&str, &str, bool)]) {
    let at = |part: &str| part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let spans: Vec<_> =
        parts.iter().map(|(start, end, goes)| (at(start), at(end) + end.len(), *goes)).collect();
    let mut kept_before = None;
    for (place, (start, end, goes)) in spans.iter().enumerate() {
        let next = spans.get(place + 1).map_or(*end, |(next, ..)| *next);
        let span = match (goes, kept_before) {
            (true, Some(before)) => before..*end,
            (true, None) => *start..next,
            (false, _) => {
                kept_before = Some(*end);
                continue;
            }
        };
        kept_before = kept_before.map(|_| *end);
        if let Some(span) = text.get(span) {
            edits.replace(span, "");
        }
    }
}

struct Members<'t>(Vec<Member<'t>>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push(Member { name: serde_json::from_str(key.get()).ok(), key, value });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn without(text: &str, unwanted: &[&str]) -> String {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let mut edits = Edits::of(raw.get().as_bytes());
        Object::parse(raw).unwrap().remove(&mut edits, |name| unwanted.contains(&name));
        String::from_utf8(edits.done().to_vec()).unwrap()
    }

    #[test]
    fn members_go_and_the_others_stay_as_they_are() {
        for (text, unwanted, left) in [
            (r#"{"a":1}"#, &["a"][..], "{}"),
            (r#"{ "a" : 1 , "b":2 }"#, &["a"], r#"{ "b":2 }"#),
            (r#"{ "a" : 1 , "b":2 }"#, &["b"], r#"{ "a" : 1 }"#),
            (r#"{"a":1,"b":[1.0],"c":-0}"#, &["a", "b"], r#"{"c":-0}"#),
            (r#"{"a":1, "b":[1.0], "c":-0}"#, &["b", "c"], r#"{"a":1}"#),
            (r#"{"a":1,"b":2,"c":3,"d":4}"#, &["a", "c"], r#"{"b":2,"d":4}"#),
            (r#"{"a":1,"b":2,"a":3}"#, &["a"], r#"{"b":2}"#),
            (r#"{"\u0061":1,"b":2}"#, &["a"], r#"{"b":2}"#),
            (r#"{"\ud800":1,"a":2}"#, &["a"], r#"{"\ud800":1}"#),
            (r#"{"a":1}"#, &["b"], r#"{"a":1}"#),
            ("{ }", &["a"], "{ }"),
        ] {
            assert_eq!(without(text, unwanted), left, "{text}");
        }
    }

    #[test]
    fn a_member_is_set_wherever_it_is_and_added_where_it_is_not() {
        for (text, made) in [
            ("{}", r#"{"a":7}"#),
            (r#"{"b":1}"#, r#"{"a":7,"b":1}"#),
            (r#"{"b":1, "a" : {}, "a":2}"#, r#"{"b":1, "a" : 7, "a":7}"#),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            let mut edits = Edits::of(raw.get().as_bytes());
            Object::parse(raw).unwrap().set(&mut edits, "a", "7");
            assert_eq!(edits.done(), made);
        }
        for no_object in ["[]", "1", "null", "\"{}\""] {
            assert!(Object::parse(serde_json::from_str(no_object).unwrap()).is_none());
        }
    }

    #[test]
    fn texts_go_out_of_lists() {
        for (text, left) in [
            (r#"["a"]"#, "[]"),
            (r#"["a", "b"]"#, r#"["b"]"#),
            (r#"[ "b", "\u0061" ]"#, r#"[ "b" ]"#),
            (r#"[["a"],"a",1]"#, r#"[["a"],1]"#),
            (r#"{"a":"a"}"#, r#"{"a":"a"}"#),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            let mut edits = Edits::of(raw.get().as_bytes());
            remove_texts(&mut edits, raw, |text| text == "a");
            assert_eq!(edits.done(), left);
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_was_not_unwanted(
            names in proptest::collection::btree_map("[a-f]", "[0-9]{1,3}\\.[0-9]", 0..6),
            unwanted in proptest::collection::btree_set("[a-f]", 0..6),
            space in "[ \n\t]{0,2}",
        ) {
            let member = |(name, number): (&String, &String)| format!("{space}\"{name}\"{space}:{space}1{number}");
            let members: Vec<_> = names.iter().map(member).collect();
            let text = format!("{{{}{space}}}", members.join(&format!("{space},")));
            let unwanted: Vec<_> = unwanted.iter().map(String::as_str).collect();
            let left: Value = serde_json::from_str(&without(&text, &unwanted)).unwrap();
            let left: Vec<_> = left.as_object().unwrap().keys().cloned().collect();
            let wanted = names.keys().filter(|name| !unwanted.contains(&name.as_str()));
            prop_assert_eq!(left, wanted.cloned().collect::<Vec<_>>());
        }
    }
}
