//! The canonical request, hashed up to where the payload's hash comes in.

use super::{
    super::{
        canonical,
        headers::{MOST, Survey},
        payload::PayloadText,
        sha::{Gap, Sha256, bytes, hex},
    },
    key::Stamp,
};
use http::{HeaderName, Method, uri::PathAndQuery};
use std::mem;
use zeroize::Zeroize;

/// What one canonical request is made from, besides the payload.
pub(super) struct Draft<'a> {
    pub(super) method: &'a Method,
    pub(super) target: Option<&'a PathAndQuery>,
    pub(super) host: &'a str,
    pub(super) headers: &'a Survey<'a>,
    /// S3 reads paths otherwise.
    pub(super) s3: bool,
    /// Whether the payload's hash stands in a header too.
    pub(super) content_hash: bool,
}

/// A canonical request without its payload: what can be kept for the next one.
pub(super) struct Form {
    /// Everything before the payload's hash comes in for the first time.
    before: Sha256,
    /// The same where nothing but the payload's hash is missing: made when the form is kept.
    gap: Option<Gap>,
    /// What stands between the two places of a payload's hash that is in a header too.
    between: Option<Vec<u8>>,
    /// The `Authorization` up to the signature itself.
    authorization: Vec<u8>,
}

/// A form, and what to know it by.
pub(super) struct Kept {
    pub(super) form: Form,
    method: Method,
    target: Option<PathAndQuery>,
    host: Box<str>,
    headers: Vec<(HeaderName, Box<[u8]>)>,
}

const CONTENT_HASH: &str = "x-amz-content-sha256";

impl Form {
    /// `None` when the request is not of the common form, and the reference has to be asked.
    pub(super) fn of(draft: &Draft<'_>, stamp: &Stamp, token: Option<&[u8]>) -> Option<Self> {
        let mut list = List::default();
        for (name, value) in draft.headers.iter() {
            list.add(name.as_str(), plain(value.as_bytes())?);
        }
        list.add("host", draft.host.as_bytes());
        list.add("x-amz-date", stamp.date.as_bytes());
        if let Some(token) = token {
            list.add("x-amz-security-token", token);
        }
        if draft.content_hash {
            list.add(CONTENT_HASH, b"");
        }
        let headers = list.sorted()?;

        let mut before = Sha256::new();
        before.update(draft.method.as_str().as_bytes());
        before.update(b"\n");
        let path = draft.target.map_or("/", PathAndQuery::path);
        if draft.s3 {
            before.update(canonical::path_once(path).as_bytes());
        } else if canonical::has_dot_segments(path) {
            return None;
        } else {
            canonical::path_again(path, &mut before);
        }
        before.update(b"\n");
        let query = draft.target.and_then(PathAndQuery::query).unwrap_or_default();
        if !canonical::query(query, &mut before) {
            return None;
        }
        before.update(b"\n");

        let mut between = None;
        for (name, value) in headers {
            match &mut between {
                None => line(name, value, *name == CONTENT_HASH, |text| before.update(text)),
                Some(text) => line(name, value, false, |more| Vec::extend_from_slice(text, more)),
            }
            if *name == CONTENT_HASH {
                between = Some(b"\n".to_vec());
            }
        }
        let names: usize = headers.iter().map(|(name, _)| name.len() + 1).sum();
        let head = &stamp.key.authorization;
        // To the byte: what has room to spare costs an allocation more when it becomes a header's value.
        let mut authorization = Vec::with_capacity(head.len() + names - 1 + END.len() + SIGNATURE);
        authorization.extend_from_slice(head);
        for (at, (name, _)) in headers.iter().enumerate() {
            if at > 0 {
                authorization.push(b';');
            }
            authorization.extend_from_slice(name.as_bytes());
        }
        let names = authorization.split_at(head.len()).1;
        for text in [b"\n", names, b"\n"] {
            match &mut between {
                None => before.update(text),
                Some(between) => between.extend_from_slice(text),
            }
        }
        authorization.extend_from_slice(END);
        Some(Self { before, gap: None, between, authorization })
    }

    /// The hash of the canonical request for a payload, in hexadecimal.
    #[inline]
    pub(super) fn hash(&self, payload: &PayloadText) -> [u8; 64] {
        if let (Some(gap), PayloadText::Hash(payload)) = (&self.gap, payload) {
            return hex(&bytes(&gap.fill(payload)));
        }
        let payload = payload.as_bytes();
        let mut hash = self.before.clone();
        if let Some(between) = &self.between {
            hash.update(payload);
            hash.update(between);
        }
        hash.update(payload);
        hex(&bytes(&hash.finish()))
    }

    /// The `Authorization` up to the signature, with just the room for it.
    #[inline]
    pub(super) fn authorization(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(self.authorization.len() + SIGNATURE);
        copy.extend_from_slice(&self.authorization);
        copy
    }

    pub(super) fn take_authorization(&mut self) -> Vec<u8> {
        mem::take(&mut self.authorization)
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.before.fingerprint()
    }

    pub(super) fn keep(mut self, draft: &Draft<'_>) -> Kept {
        if self.between.is_none() {
            self.gap = Some(self.before.with_gap());
        }
        Kept {
            form: self,
            method: draft.method.clone(),
            target: draft.target.cloned(),
            host: draft.host.into(),
            headers: draft
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_bytes().into()))
                .collect(),
        }
    }
}

impl Kept {
    /// Whether it is the form of this request, to the byte.
    #[inline]
    pub(super) fn is_of(&self, draft: &Draft<'_>) -> bool {
        self.method == *draft.method
            && self.form.between.is_some() == draft.content_hash
            && self.headers.len() == draft.headers.len()
            && self.target.as_ref().map(PathAndQuery::as_str) == draft.target.map(PathAndQuery::as_str)
            && *self.host == *draft.host
            && self
                .headers
                .iter()
                .zip(draft.headers.iter())
                .all(|((name, value), (other, given))| name == other && **value == *given.as_bytes())
    }
}

/// The session's token is in here too.
impl Drop for Form {
    fn drop(&mut self) {
        self.before.zeroize();
        self.gap.zeroize();
        self.between.zeroize();
    }
}

const END: &[u8] = b", Signature=";

/// A signature's length in hexadecimal.
const SIGNATURE: usize = 64;

/// Headers in the order of their names.
struct List<'a> {
    entries: [(&'a str, &'a [u8]); MOST + 4],
    count: usize,
}

impl Default for List<'_> {
    fn default() -> Self {
        Self { entries: [("", &[]); MOST + 4], count: 0 }
    }
}

impl<'a> List<'a> {
    fn add(&mut self, name: &'a str, value: &'a [u8]) {
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = (name, value);
            self.count += 1;
        }
    }

    /// `None` when a name is there twice: the reference knows how their values are joined.
    fn sorted(&mut self) -> Option<&[(&'a str, &'a [u8])]> {
        let (entries, _) = self.entries.split_at_mut(self.count);
        entries.sort_unstable_by_key(|(name, _)| *name);
        entries.array_windows().all(|[(a, _), (b, _)]| a != b).then_some(entries)
    }
}

/// `name:value` and a new line, or up to the value where that is not known yet.
#[inline]
fn line(name: &str, value: &[u8], open: bool, mut write: impl FnMut(&[u8])) {
    write(name.as_bytes());
    write(b":");
    if !open {
        write(value);
        write(b"\n");
    }
}

/// A value that is signed as it stands: plain text without space around it, and never two spaces in a row.
fn plain(value: &[u8]) -> Option<&[u8]> {
    let mut before = b' ';
    let mut clean = true;
    for byte in value {
        clean &= matches!(byte, b' '..=b'~') && !(*byte == b' ' && before == b' ');
        before = *byte;
    }
    (clean && (before != b' ' || value.is_empty())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_values_are_signed_as_they_stand() {
        for value in ["", "a", "a b", "application/json; charset=utf-8", "~!"] {
            assert!(plain(value.as_bytes()).is_some(), "{value:?}");
        }
        for value in [" ", " a", "a ", "a  b", "a\tb", "\u{e9}"] {
            assert!(plain(value.as_bytes()).is_none(), "{value:?}");
        }
    }
}
