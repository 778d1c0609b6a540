//! Messages of backends, read only as far as somebody has to know them, and changed only where they have to change.

use super::scan;
use bytes::Bytes;
use std::{borrow::Cow, str};

/// A message from a backend. Its parts are as they were written.
#[derive(Debug, Default)]
pub(super) struct Heard<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Option<&'a str>,
    pub(super) result: Option<&'a str>,
    pub(super) error: Option<&'a str>,
}

impl<'a> Heard<'a> {
    /// `None` where it is no message.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (mut heard, mut method) = (Self::default(), None);
        scan::members(str::from_utf8(text).ok()?, |name, value| {
            let part = match &*name {
                "id" => &mut heard.id,
                "method" => &mut method,
                "params" => &mut heard.params,
                "result" => &mut heard.result,
                "error" => &mut heard.error,
                _ => return Some(()),
            };
            // Of two with one name, each would be the only one to somebody.
            part.replace(value).is_none().then_some(())
        })?;
        let is_there = |part: Option<&'a str>| part.filter(|part| *part != "null");
        let Self { id, params, result, error, .. } = heard;
        let [id, params, result, error] = [id, params, result, error].map(is_there);
        let method = match is_there(method) {
            Some(method) => Some(scan::string(method)?),
            None => None,
        };
        Some(Self { id, method, params, result, error })
    }

    /// Whether it answers a request of ours.
    pub(super) fn is_answer(&self) -> bool {
        self.method.is_none() && self.id.is_some()
    }
}

/// A text, of which parts are to be other ones.
#[derive(Debug)]
pub(super) struct Edits<'t> {
    text: &'t [u8],
    parts: Vec<(usize, usize, String)>,
}

impl<'t> Edits<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self { text, parts: Vec::new() }
    }

    /// `part` has to be a slice of the text; what is none, and what overlaps another part, stays as it is.
    pub(super) fn replace(&mut self, part: &str, with: impl Into<String>) {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        if let Some(start) = start
            && let Some(end) = start.checked_add(part.len())
            && end <= self.text.len()
        {
            self.parts.push((start, end, with.into()));
        }
    }

    /// Members come first in an object, which has to be a slice of the text.
    pub(super) fn add_members(&mut self, object: &str, members: &str) {
        let (Some(brace), Some(rest)) = (object.get(..1), object.get(1..)) else { return };
        let place = brace.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        if let Some((.., added)) =
            self.parts.iter_mut().find(|(start, end, _)| (*start, *end) == (place, place + 1))
        {
            added.insert_str(1, &format!("{members},"));
            return;
        }
        let comma = if rest.trim() == "}" { "" } else { "," };
        self.replace(brace, format!("{{{members}{comma}"));
    }

    /// The text with its new parts, and everything else as it was.
    pub(super) fn done(mut self) -> Bytes {
        self.parts.sort_unstable();
        let mut made = Vec::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for (start, end, part) in &self.parts {
            let Some(before) = self.text.get(at..*start) else { continue };
            made.extend_from_slice(before);
            made.extend_from_slice(part.as_bytes());
            at = *end;
        }
        made.extend_from_slice(self.text.get(at..).unwrap_or_default());
        made.into()
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_parts_that_are_named_change() {
        let text =
            r#" {"id" : 18446744073709551616,"x":[1.0e400,-0] , "method":"m","params":{"name":"\u0061"}}"#;
        let heard = Heard::parse(text.as_bytes()).unwrap();
        let mut edits = Edits::of(text.as_bytes());
        edits.replace(heard.id.unwrap(), "7");
        edits.replace("elsewhere", "nothing");
        assert_eq!(edits.done(), text.replace("18446744073709551616", "7"));
    }

    #[test]
    fn members_are_added_where_an_object_begins() {
        for (text, made) in [("{}", r#"{"a":1}"#), ("{ }", r#"{"a":1 }"#), (r#"{"b":2}"#, r#"{"a":1,"b":2}"#)]
        {
            let mut edits = Edits::of(text.as_bytes());
            edits.add_members(text, r#""a":1"#);
            assert_eq!(edits.done(), made);
        }
        let text = "{}";
        let mut edits = Edits::of(text.as_bytes());
        edits.add_members(text, r#""a":1"#);
        edits.add_members(text, r#""b":2"#);
        assert_eq!(edits.done(), r#"{"b":2,"a":1}"#, "each of them is added");
    }

    proptest! {
        #[test]
        fn what_nobody_names_passes_byte_for_byte(
            number in r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
            key in "[a-z]{1,8}",
            word in "[^\"\\\\\\x00-\\x1f]{0,20}",
            depth in 0_usize..60,
            space in "[ \t\n]{0,3}",
        ) {
            let deep = format!("{}{number}{}", "[".repeat(depth), "]".repeat(depth));
            let text = format!(
                "{{{space}\"x-{key}\":{space}{deep},\"id\":{space}\"old\",\"result\":{{\"{key}\":\"{word}\"}}}}{space}"
            );
            let heard = Heard::parse(text.as_bytes()).unwrap();
            let mut edits = Edits::of(text.as_bytes());
            edits.replace(heard.id.unwrap(), "12");
            let made = edits.done();
            prop_assert_eq!(made, text.replacen("\"old\"", "12", 1));
        }
    }
}
