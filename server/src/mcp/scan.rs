//! Reads past JSON that nobody here has to know.
//!
//! What a backend answers is mostly passed on unread, however long it is. It is checked all the same, so that nothing
//! goes to a client as JSON that is none. `serde_json` can do this too, and takes longer. What is read here and what it
//! reads is the same, which a fuzz target holds on to.

use serde::Deserialize;
use std::borrow::Cow;
use wide::u8x16;

/// Shows `see` every member of the object that `text` is, names decoded and values as they were written.
///
/// `None` where `text` is no object, and where `see` says so.
pub(super) fn members<'t>(
    text: &'t str,
    mut see: impl FnMut(Cow<'t, str>, &'t str) -> Option<()>,
) -> Option<()> {
    let bytes = text.as_bytes();
    let mut at = space(bytes, take(bytes, space(bytes, 0), b'{')?);
    at = match take(bytes, at, b'}') {
        Some(at) => at,
        None => loop {
            let begin = space(bytes, at);
            let end = name(bytes, begin)?;
            let called = string(text.get(begin..end)?)?;
            let begin = space(bytes, take(bytes, space(bytes, end), b':')?);
            let end = value(bytes, begin)?;
            see(called, text.get(begin..end)?)?;
            at = space(bytes, end);
            match take(bytes, at, b',') {
                Some(next) => at = next,
                None => break take(bytes, at, b'}')?,
            }
        },
    };
    (space(bytes, at) == bytes.len()).then_some(())
}

/// The text that a string of JSON stands for.
pub(super) fn string(written: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    let Borrowed(text) = serde_json::from_str(written).ok()?;
    Some(text)
}

// Each of what follows reads one thing that begins at a place, and says where it ends.

/// One value, however deep. Nothing recurs, so no depth is too deep.
fn value(text: &[u8], mut at: usize) -> Option<usize> {
    // The brackets that are open, as what closes them.
    let mut open: Vec<u8> = Vec::new();
    loop {
        at = space(text, at);
        at = match text.get(at)? {
            b'"' => letters(text, at)?,
            b'{' => {
                at = space(text, at + 1);
                match take(text, at, b'}') {
                    Some(end) => end,
                    None => {
                        open.push(b'}');
                        at = member(text, at)?;
                        continue;
                    }
                }
            }
            b'[' => {
                at = space(text, at + 1);
                match take(text, at, b']') {
                    Some(end) => end,
                    None => {
                        open.push(b']');
                        continue;
                    }
                }
            }
            b't' => word(text, at, b"true")?,
            b'f' => word(text, at, b"false")?,
            b'n' => word(text, at, b"null")?,
            _ => number(text, at)?,
        };
        loop {
            let Some(&closing) = open.last() else { return Some(at) };
            at = space(text, at);
            if let Some(next) = take(text, at, b',') {
                at = if closing == b'}' { member(text, space(text, next))? } else { next };
                break;
            }
            at = take(text, at, closing)?;
            open.pop();
        }
    }
}

/// The name of a member, and the colon.
#[inline]
fn member(text: &[u8], at: usize) -> Option<usize> {
    take(text, space(text, name(text, at)?), b':')
}

#[inline]
fn name(text: &[u8], at: usize) -> Option<usize> {
    take(text, at, b'"')?;
    letters(text, at)
}

/// A string, beginning with its quotation mark. Sixteen letters are looked at together.
#[inline]
fn letters(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        while let Some(many) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
            let many = u8x16::new(*many);
            // With this bit turned, a quotation mark comes right behind what no string may have as it is.
            let turned = many ^ u8x16::splat(b'"' ^ b' ');
            let found = turned.min(u8x16::splat(b' ')).simd_eq(turned) | many.simd_eq(u8x16::splat(b'\\'));
            let found = found.to_bitmask();
            if found != 0 {
                at += usize::try_from(found.trailing_zeros()).ok()?;
                break;
            }
            at += 16;
        }
        let letter = *text.get(at)?;
        at += 1;
        match letter {
            b'"' => return Some(at),
            b'\\' => at = escape(text, at)?,
            ..0x20 => return None,
            _ => {}
        }
    }
}

/// What comes behind a backslash.
#[cold]
fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = text.get(at + 1..)?.first_chunk::<4>()?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

fn number(text: &[u8], at: usize) -> Option<usize> {
    let at = take(text, at, b'-').unwrap_or(at);
    let at = take(text, at, b'0').or_else(|| digits(text, at))?;
    let at = match take(text, at, b'.') {
        Some(at) => digits(text, at)?,
        None => at,
    };
    match take(text, at, b'e').or_else(|| take(text, at, b'E')) {
        Some(at) => digits(text, take(text, at, b'+').or_else(|| take(text, at, b'-')).unwrap_or(at)),
        None => Some(at),
    }
}

fn digits(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    while text.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    (end > at).then_some(end)
}

#[inline]
fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// As much space as there is, which is none mostly.
#[inline]
fn space(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(..=b' ') => much_space(text, at),
        _ => at,
    }
}

#[cold]
fn much_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn take(text: &[u8], at: usize, letter: u8) -> Option<usize> {
    (*text.get(at)? == letter).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let mut read = Vec::new();
        members(text, |name, value| {
            read.push((name.into_owned(), value.to_owned()));
            Some(())
        })?;
        Some(read)
    }

    fn read_by_serde(text: &str) -> Option<BTreeMap<String, String>> {
        let read: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
        Some(read.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
    }

    #[test]
    fn members_are_found_as_they_were_written() {
        let text = " { \"a\\u0062\" : [ 1.0e+400 , {\"]\":\"\\\"}\"} ] ,\"\":-0\t}\r\n";
        let members = [("ab", "[ 1.0e+400 , {\"]\":\"\\\"}\"} ]"), ("", "-0")];
        assert_eq!(read(text).unwrap(), members.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn any_depth_is_read() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(read(&deep).unwrap().len(), 1);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{}}",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":-}"#,
            r#"{"a":+1}"#,
            r#"{"a":1e}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            "{\"a\":\"\n\"}",
            r#"{a:1}"#,
            r#"{"a":1 "b":2}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(read_by_serde(text), None, "{text}");
        }
    }

    #[test]
    fn every_letter_is_seen_wherever_it_stands() {
        for (letter, place) in (0..=u8::MAX).flat_map(|letter| (0..40).map(move |place| (letter, place))) {
            let (before, after) = ("a".repeat(place), "ü".repeat(20));
            let text = format!("{{\"a\":\"{before}{}{after}\"}}", char::from(letter));
            let ours = read(&text).map(|ours| ours.into_iter().collect());
            assert_eq!(ours, read_by_serde(&text), "{letter:#x} {place}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_read_here_and_nothing_else(
            text in r#"[ \n]?\{([ ]?"[a-z\\"é]{0,9}(\\u00e9|\\n)?"[ ]?:[ ]?(\[\]|\{\}|-?[0-9.eE+]{1,5}|true|null|"[^x]{0,12}"|\[1,\{"k":\[2\]\}\]),?){0,3}\}[ ]?"#
        ) {
            let ours = read(&text);
            prop_assert_eq!(ours.map(|ours| ours.into_iter().collect()), read_by_serde(&text));
        }
    }
}
