//! What holds whatever is sent: put to the test by fuzzers, and by every input that they kept.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "an input that breaks one of these ends the run; they are public where `internals` is on"
)]

use super::{
    message::Message,
    names::{decoded, encoded},
    scan,
    session::{Greeting, Session, Sessions},
    sse::{Event, Events},
    wire::{Edits, Heard},
};
use crate::store::{Seal, SealingKey};
use axum::{
    body::Body,
    http::{Extensions, Request},
};
use bytes::Bytes;
use countersign::{
    BoxError,
    clock::SystemClock,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Authenticated, Carry},
};
use futures_util::{FutureExt, stream};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    str,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// How an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is none of what is read here.
    Refused,
    /// It is one.
    Read,
}

/// A client's message: what was read stands in it, and with another id it is the same message.
pub fn message(data: &[u8]) -> Outcome {
    let Ok(message) = Message::parse(data) else { return Outcome::Refused };
    for part in [message.id, message.answers, message.written].into_iter().flatten() {
        assert!(lies_in(part.get(), data), "{part} is no part of what was sent");
    }
    let Some(id) = message.id else { return Outcome::Read };
    let made = with(data, id.get(), "\"another\"");
    let again = Message::parse(&made).expect("another id makes no other message");
    assert_eq!(again.id.map(RawValue::get), Some("\"another\""));
    assert_eq!((&again.method, again.subject()), (&message.method, message.subject()));
    assert_eq!(again.written.map(RawValue::get), message.written.map(RawValue::get));
    let another = again.id.map_or("", RawValue::get);
    assert_eq!(with(&made, another, id.get()), data, "and with its own again, to the byte");
    Outcome::Read
}

/// A backend's message: what is read past is JSON to `serde_json` too, and what is not is not.
pub fn answer(data: &[u8]) -> Outcome {
    let Ok(text) = str::from_utf8(data) else { return Outcome::Refused };
    let mut ours = BTreeMap::new();
    let read = scan::members(text, |name, value| {
        ours.insert(name.into_owned(), value);
        Some(())
    });
    let theirs: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(text).ok();
    let theirs = theirs
        .map(|all| all.into_iter().map(|(name, value)| (name, value.get())).collect::<BTreeMap<_, _>>());
    assert_eq!(read.map(|()| ours), theirs);
    if Heard::parse(data).is_some() { Outcome::Read } else { Outcome::Refused }
}

/// What is passed on of a backend's answer: all of it, under another id. How long that is.
pub fn passed_on(answer: &[u8], id: &str) -> Option<usize> {
    let heard = Heard::parse(answer)?;
    Some(with(answer, heard.id?, id).len())
}

/// A stream of events: the first byte says in how large pieces it arrives, which makes no difference; and passed on as
/// they came, they say the same.
pub fn events(data: &[u8]) -> Outcome {
    let Some((size, text)) = data.split_first() else { return Outcome::Refused };
    let Some(whole) = read(text, usize::MAX) else { return Outcome::Refused };
    assert_eq!(read(text, usize::from(*size).max(1)).as_ref(), Some(&whole), "in other pieces");
    let said = |events: &[Event]| -> Vec<_> {
        events.iter().map(|event| (event.data.clone(), event.id.clone())).collect()
    };
    let before = said(&whole);
    let passed: Vec<u8> = whole.into_iter().flat_map(Event::into_bytes).collect();
    let again = read(&passed, usize::MAX).expect("what was read can be read again");
    assert_eq!(said(&again), before, "passed on");
    if before.is_empty() { Outcome::Refused } else { Outcome::Read }
}

/// A session's id: nobody makes one, and nobody changes one.
pub fn session(data: &[u8]) -> Outcome {
    let (sessions, owner, told) = &*OPENED;
    let found = |told: &str| sessions.find(told, owner.identity(), 1).is_ok();
    if let Ok(text) = str::from_utf8(data) {
        assert!(!found(text) || text == told, "{text} was made by nobody");
    }
    let mut changed = told.clone().into_bytes();
    for (at, byte) in data.iter().enumerate() {
        if let Some(there) = changed.get_mut(at) {
            *there ^= byte & 0x7f;
        }
    }
    match str::from_utf8(&changed) {
        Ok(text) if text == told => {
            assert!(found(text), "it is still the same");
            Outcome::Read
        }
        Ok(text) => {
            assert!(!found(text), "{text} is another");
            Outcome::Refused
        }
        Err(_) => Outcome::Refused,
    }
}

/// Text in a header: what one stands for is what it stands for once more.
pub fn codec(data: &[u8]) -> Outcome {
    let Ok(text) = str::from_utf8(data) else { return Outcome::Refused };
    let value = encoded(text).expect("every text has a value that stands for it");
    let told = value.to_str().expect("it is plain");
    assert_eq!(decoded(told).as_deref(), Some(text));
    match decoded(text) {
        Some(meant) => {
            let value = encoded(&meant).expect("every text has a value that stands for it");
            assert_eq!(decoded(value.to_str().expect("it is plain")), Some(meant));
            Outcome::Read
        }
        None => Outcome::Refused,
    }
}

static OPENED: LazyLock<(Sessions, Authenticated, String)> = LazyLock::new(|| {
    let day = Duration::from_secs(24 * 3600);
    let seal = Seal::new(SealingKey::new(&[7; 32]).expect("it is a key"), Vec::new());
    let sessions = Sessions::new(Arc::new(seal), day, day, Arc::new(SystemClock));
    let owner = trusted("alice");
    let empty = || RawValue::from_string("{}".to_owned()).expect("it is JSON");
    let greeting = Greeting { version: "2025-11-25".to_owned(), capabilities: empty(), client: empty() };
    let session = Arc::new(Session::new(greeting.clone(), 1));
    let told = sessions.open(greeting, owner.identity(), session).expect("it can be opened");
    (sessions, owner, told)
});

/// Somebody whom a trusted neighbour vouches for.
pub(super) fn trusted(subject: &str) -> Authenticated {
    let identity = TrustedIdentity::new("https://login.example.com", subject);
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().into_parts().0)
    });
    let trusted = TrustIdentityLayer::new(move |_: &Extensions| Some(identity.clone()));
    let stack = ServiceBuilder::new().layer(trusted).service(proof);
    let asked = stack.oneshot(Request::new(())).now_or_never();
    asked.expect("nothing waits").expect("somebody vouches")
}

fn with(text: &[u8], part: &str, other: &str) -> Bytes {
    let mut edits = Edits::of(text);
    edits.replace(part, other);
    edits.done()
}

fn lies_in(part: &str, text: &[u8]) -> bool {
    let range = text.as_ptr_range();
    let part = part.as_bytes().as_ptr_range();
    range.start <= part.start && part.end <= range.end
}

/// `None` where it is more than a stream may be.
fn read(text: &[u8], size: usize) -> Option<Vec<Event>> {
    let pieces: Vec<_> =
        text.chunks(size).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    let mut events = Events::of(Body::from_stream(stream::iter(pieces)));
    let mut read = Vec::new();
    loop {
        match events.next().now_or_never().expect("nothing waits") {
            Ok(Some(event)) => read.push(event),
            Ok(None) => return Some(read),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, fs, path::Path};

    /// Puts every input that is kept for `target` to it, and says how they ended.
    fn replay(target: &str, run: fn(&[u8]) -> Outcome) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz");
        let mut reached = HashSet::new();
        for folder in ["corpus", "regressions"] {
            let Ok(kept) = fs::read_dir(root.join(folder).join(target)) else { continue };
            for file in kept {
                let path = file.unwrap().path();
                println!("{}", path.display());
                reached.insert(run(&fs::read(path).unwrap()));
            }
        }
        assert_eq!(reached.len(), 2, "the inputs that are kept for {target} reach {reached:?} only");
    }

    #[test]
    fn of_messages() {
        replay("message", message);
    }

    #[test]
    fn of_answers() {
        replay("answer", answer);
    }

    #[test]
    fn of_events() {
        replay("events", events);
    }

    #[test]
    fn of_sessions() {
        replay("session", session);
    }

    #[test]
    fn of_headers() {
        replay("codec", codec);
    }

    #[test]
    fn what_is_passed_on_has_another_id_and_nothing_else_is_other() {
        let answer = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;
        assert_eq!(passed_on(answer, "1234"), Some(answer.len() + 3));
        assert_eq!(passed_on(b"{}", "1"), None);
    }
}
