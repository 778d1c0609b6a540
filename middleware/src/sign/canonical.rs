//! Path and query as a signature reads them.

use super::sha::Sha256;
use std::{borrow::Cow, str};

/// Where canonical text goes.
pub(super) trait Sink {
    fn put(&mut self, text: &[u8]);
}

impl Sink for Sha256 {
    #[inline]
    fn put(&mut self, text: &[u8]) {
        self.update(text);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }
}

/// Whether `path` has segments that normalising would take out.
pub(super) fn has_dot_segments(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // The last segment is empty where the path ends with a slash.
        if matches!(segment, "." | "..") || (segment.is_empty() && segments.peek().is_some()) {
            return true;
        }
    }
    false
}

/// Encodes a path that is encoded already once more, percent signs included.
pub(super) fn path_again(path: &str, sink: &mut impl Sink) {
    encode(path.as_bytes(), |byte| byte == b'/', sink);
}

/// A path as S3 reads it: every byte encoded exactly once, however it was sent.
pub(super) fn path_once(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| unreserved(byte) || byte == b'/') {
        return path.into();
    }
    let mut text = Vec::with_capacity(path.len() + 16);
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escaped(byte, after)) {
            // An encoded slash is part of a name and stays one.
            (_, Some((decoded, after))) => {
                encode(&[decoded], |_| false, &mut text);
                rest = after;
            }
            (byte, None) => encode(&[byte], |byte| byte == b'/', &mut text),
        }
    }
    String::from_utf8(text).map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Writes a query decoded, encoded again, and sorted. `false` when it is none in UTF-8: nothing was written then.
pub(super) fn query(query: &str, sink: &mut impl Sink) -> bool {
    if query.is_empty() {
        return true;
    }
    let mut pairs = Vec::with_capacity(8);
    let mut sorted = true;
    for pair in query.as_bytes().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (Some(name), Some(value)) =
            (component(halves.next().unwrap_or_default()), component(halves.next().unwrap_or_default()))
        else {
            return false;
        };
        let pair = (name, value);
        sorted &= pairs.last().is_none_or(|last| *last <= pair);
        pairs.push(pair);
    }
    if !sorted {
        pairs.sort_unstable();
    }
    let mut separator = &b""[..];
    for (name, value) in &pairs {
        for text in [separator, name, b"=", value] {
            sink.put(text);
        }
        separator = b"&";
    }
    true
}

/// Encodes one value of a query.
pub(super) fn value(value: &str, sink: &mut impl Sink) {
    encode(value.as_bytes(), |_| false, sink);
}

/// One name or value of a query, as it is signed.
fn component(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.iter().all(|byte| unreserved(*byte)) {
        return Some(text.into());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match escaped(byte, after) {
            Some((byte, after)) => {
                decoded.push(byte);
                rest = after;
            }
            None if byte == b'+' => decoded.push(b' '),
            None => decoded.push(byte),
        }
    }
    str::from_utf8(&decoded).ok()?;
    let mut encoded = Vec::with_capacity(text.len() + 16);
    encode(&decoded, |_| false, &mut encoded);
    Some(encoded.into())
}

/// The byte that a percent sign and two digits stand for, and what comes after them.
fn escaped(byte: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let ([high, low], rest) = after.split_first_chunk()?;
    (byte == b'%').then_some(())?;
    Some((digit(*high)? << 4 | digit(*low)?, rest))
}

fn encode(text: &[u8], keep: impl Fn(u8) -> bool, sink: &mut impl Sink) {
    let mut rest = text;
    loop {
        let plain = rest.iter().position(|byte| !unreserved(*byte) && !keep(*byte)).unwrap_or(rest.len());
        let (kept, after) = rest.split_at(plain);
        sink.put(kept);
        let Some((&byte, after)) = after.split_first() else { return };
        sink.put(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        rest = after;
    }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'A' - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn paths_are_encoded_once_more() {
        assert_eq!(written(|sink| path_again("/a%20b/c+d:e~", sink)), "/a%2520b/c%2Bd%3Ae~");
    }

    #[test]
    fn s3_reads_paths_encoded_once() {
        for (sent, read) in [
            ("/bucket/key", "/bucket/key"),
            ("/a+b:c=d@e", "/a%2Bb%3Ac%3Dd%40e"),
            ("/a%20b%2fc%c3%a4", "/a%20b%2Fc%C3%A4"),
            ("/%41%7E", "/A~"),
            ("/100%/x%zz", "/100%25/x%25zz"),
            ("/a//b/../c/.", "/a//b/../c/."),
        ] {
            assert_eq!(path_once(sent), read);
        }
    }

    #[test]
    fn dot_segments_and_empty_ones_are_found() {
        for path in ["/./", "/a/..", "//", "/a//b", "/.", "/../a", "/a/."] {
            assert!(has_dot_segments(path), "{path}");
        }
        for path in ["/", "/a", "/a/", "/a.b/.c/..d/e..", "/..."] {
            assert!(!has_dot_segments(path), "{path}");
        }
    }

    #[test]
    fn queries_are_decoded_and_encoded_and_sorted() {
        for (sent, read) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=1&a1=2&a=0", "a=0&a=1&a1=2"),
            ("q=a+b%20c%2B&&flag&=v", "=v&flag=&q=a%20b%20c%2B"),
            ("x=%7e%41:@/?", "x=~A%3A%40%2F%3F"),
            ("u=%C3%A4&v=100%", "u=%C3%A4&v=100%25"),
        ] {
            assert_eq!(written(|sink| assert!(query(sent, sink))), read);
        }
        assert!(!query("a=%ff", &mut Vec::new()));
        assert!(!query("a=1&%c3=%a4", &mut Vec::new()));
    }
}
