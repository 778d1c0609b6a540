//! Reads past JSON that nobody here has to know.
//!
//! What a backend answers is mostly passed on unread, however long it is. It is checked all the same, so that nothing
//! goes to a client as JSON that is none. `serde_json` can do this too, and takes about 1.4 times as long for a list of 60
//! kB. What is read here and what it reads is the same, which a fuzz target holds on to.

use serde::Deserialize;
use std::borrow::Cow;

/// Shows `see` every member of the object that `text` is, names decoded and values as they were written.
///
/// `None` where `text` is no object, and where `see` says so.
pub(super) fn members<'t>(
    text: &'t str,
    mut see: impl FnMut(Cow<'t, str>, &'t str) -> Option<()>,
) -> Option<()> {
    let mut at = Place { text: text.as_bytes(), at: 0 };
    at.space();
    at.take(b'{')?;
    at.space();
    if at.take(b'}').is_none() {
        loop {
            at.space();
            let name = at.at;
            at.name()?;
            let name = text.get(name..at.at)?;
            let name = name.trim_end_matches(|letter| letter != '"');
            at.take(b':')?;
            at.space();
            let value = at.at;
            at.value()?;
            see(string(name)?, text.get(value..at.at)?)?;
            at.space();
            if at.take(b',').is_none() {
                break at.take(b'}')?;
            }
        }
    }
    at.space();
    at.peek().is_none().then_some(())
}

/// The text that a string of JSON stands for.
pub(super) fn string(written: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    let Borrowed(text) = serde_json::from_str(written).ok()?;
    Some(text)
}

/// How far a text was read.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t [u8],
    at: usize,
}

impl Place<'_> {
    /// Reads one value, however deep, and no space behind it. Nothing recurs, so no depth is too deep.
    fn value(&mut self) -> Option<()> {
        // The brackets that are open, as what closes them.
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek()? {
                b'"' => self.string()?,
                b'{' => {
                    self.at += 1;
                    self.space();
                    if self.take(b'}').is_none() {
                        open.push(b'}');
                        self.member()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if self.take(b']').is_none() {
                        open.push(b']');
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            loop {
                let Some(&closing) = open.last() else { return Some(()) };
                self.space();
                if self.take(b',').is_some() {
                    if closing == b'}' {
                        self.space();
                        self.member()?;
                    }
                    break;
                }
                self.take(closing)?;
                open.pop();
            }
        }
    }

    /// The name of a member, and the colon.
    #[inline]
    fn member(&mut self) -> Option<()> {
        self.name()?;
        self.take(b':')
    }

    /// The name of a member, up to the colon.
    #[inline]
    fn name(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        self.space();
        Some(())
    }

    /// Begins at the quotation mark. Eight letters are looked at together, as a number: what is wanted of each ends in
    /// its highest bit, and only what lies behind the first that is found may be wrong.
    #[inline]
    fn string(&mut self) -> Option<()> {
        const ONES: u64 = u64::MAX / 0xff;
        const HIGH: u64 = ONES << 7;
        const QUOTES: u64 = ONES * 0x22;
        const BACKSLASHES: u64 = ONES * 0x5c;
        self.at += 1;
        loop {
            while let Some(eight) = self.text.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
                let eight = u64::from_le_bytes(*eight);
                let (quotes, backslashes) = (eight ^ QUOTES, eight ^ BACKSLASHES);
                let controls = eight.wrapping_sub(ONES * 0x20) & !eight;
                let quotes = quotes.wrapping_sub(ONES) & !quotes;
                let backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
                let found = (controls | quotes | backslashes) & HIGH;
                if found != 0 {
                    self.at += usize::try_from(found.trailing_zeros() / 8).ok()?;
                    break;
                }
                self.at += 8;
            }
            let letter = self.peek()?;
            self.at += 1;
            match letter {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                ..0x20 => return None,
                _ => {}
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Option<()> {
        let kind = self.peek()?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.get(self.at..)?.first_chunk::<4>()?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let before = self.at;
        while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > before).then_some(())
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, letter: u8) -> Option<()> {
        (self.peek()? == letter).then(|| self.at += 1)
    }
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
