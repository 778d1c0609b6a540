use super::{
    AUDIENCE, Caller, Frozen, ISSUER, KEY, KID, NOW, Outcome, caller, key_set, message, present, sign,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Kind,
    identity::{Issuer, LocalKeys, Verifier, VerifyIdentity},
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    iter,
    sync::{Arc, LazyLock},
};
use tower::util::service_fn;

/// Each algorithm with the length of its signatures.
const ALGORITHMS: [(&str, usize); 9] = [
    ("RS256", 256),
    ("RS384", 256),
    ("RS512", 256),
    ("PS256", 256),
    ("PS384", 256),
    ("PS512", 256),
    ("ES256", 64),
    ("ES384", 96),
    ("EdDSA", 64),
];

static GOOD: LazyLock<String> = LazyLock::new(|| {
    let header = json!({"alg": "EdDSA", "kid": KID});
    sign(header.to_string().as_bytes(), claims().as_bytes())
});

/// Takes `data` for a key set, both from the start and in the place of a good one.
///
/// Tokens are presented to whatever keys come of it, for every algorithm, with the names that the keys have: none
/// may be believed. The token that was good before is good for as long as its key is there.
pub fn jwks(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else {
        return Outcome::Unfit;
    };
    let keys = LocalKeys::parse(&key_set()).expect("the key set is good");
    let verifier = Verifier::builder()
        .trust(Issuer::new(ISSUER, AUDIENCE).with_keys(keys.clone()))
        .with_memory(64 * 1024)
        .with_clock(Arc::new(Frozen))
        .build()
        .expect("the verifier is complete");
    let gate = VerifyIdentity::new(service_fn::<Caller>(caller), verifier);
    let refused = |token: &str| assert_eq!(present(&gate, token).err(), Some(Kind::UnacceptableToken));
    let accepted = || assert_eq!(present(&gate, &GOOD).map(|caller| caller.subject() == "alice"), Ok(true));

    accepted();
    let parsed = LocalKeys::parse(text);
    assert_eq!(keys.replace(text).err(), parsed.err(), "parsed and replaced");
    let readable = keys.replace(text).is_ok();
    if readable {
        let object = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text);
        assert!(object.is_ok_and(|object| object.contains_key("keys")), "it is no object with keys");
        refused(&GOOD);
        for kid in kids(text) {
            for (algorithm, length) in ALGORITHMS {
                refused(&forged(kid.as_deref(), algorithm, length));
            }
        }
        keys.replace(&key_set()).expect("the key set is good");
    }
    accepted();
    if readable { Outcome::Accepted } else { Outcome::Unreadable }
}

/// No name, and those of the first keys.
fn kids(text: &str) -> Vec<Option<String>> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let keys = document.get("keys").and_then(Value::as_array).map(Vec::as_slice);
    let kid = |key: &Value| Some(key.get("kid")?.as_str()?.to_owned());
    // A longer one makes a token that is refused for its length.
    let short = |kid: &String| kid.len() <= 1024;
    let kids = keys.unwrap_or_default().iter().filter_map(kid).filter(short);
    iter::once(None).chain(kids.take(2).map(Some)).collect()
}

/// A token whose signature has the right length, and is that of no key in the set.
fn forged(kid: Option<&str>, algorithm: &str, length: usize) -> String {
    let header = match kid {
        Some(kid) => json!({"alg": algorithm, "kid": kid}),
        None => json!({ "alg": algorithm }),
    };
    let message = message(header.to_string().as_bytes(), claims().as_bytes());
    let signature: Vec<u8> = KEY.sign(message.as_bytes()).into_iter().cycle().take(length).collect();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims() -> String {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW + 60}).to_string()
}
