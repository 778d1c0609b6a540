use super::{
    AUDIENCE, Caller, Frozen, ISSUER, KEY, KID, NOW, Outcome, caller, key_set, message, present, sign,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Kind,
    identity::{Issuer, LocalKeys, Verifier, VerifyIdentity},
    proof::Identity,
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tower::util::{ServiceFn, service_fn};

/// An issuer that demands more than the other.
const STRICT: &str = "https://strict.example.com";
const LEEWAY: u32 = 30;
/// The longest token that is looked at.
const LIMIT: usize = 20_000;

static GATE: LazyLock<VerifyIdentity<ServiceFn<Caller>>> = LazyLock::new(|| {
    let keys = LocalKeys::parse(&key_set()).expect("the key set is good");
    let verifier = Verifier::builder()
        .trust(
            Issuer::new(ISSUER, AUDIENCE)
                .with_keys(keys.clone())
                .with_leeway(Duration::from_secs(LEEWAY.into())),
        )
        .trust(
            Issuer::new(STRICT, AUDIENCE)
                .with_keys(keys)
                .with_leeway(Duration::ZERO)
                .with_token_type("at+jwt")
                .with_required_scopes(["mcp"])
                .with_required_claim("tenant", json!("acme")),
        )
        .with_memory(256 * 1024)
        .with_clock(Arc::new(Frozen))
        .build()
        .expect("the verifier is complete");
    VerifyIdentity::new(service_fn::<Caller>(caller), verifier)
});

/// Signs a token whose header is the first line of `data` and whose claims are the rest, and presents it.
///
/// The signature is good, so that everything behind it is reached. Whatever is believed must also satisfy the
/// rules as they are written down here once more; it is believed again when it is remembered; and with another
/// signature it is not.
pub fn token(data: &[u8]) -> Outcome {
    let mut texts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims)) = (texts.next(), texts.next()) else {
        return Outcome::Unfit;
    };
    let token = sign(header, claims);
    let first = present(&GATE, &token);
    let again = present(&GATE, &token);
    let subject = |identity: &Identity| identity.subject().to_owned();
    assert_eq!(first.as_ref().map(subject), again.as_ref().map(subject), "asked twice");
    match first {
        Ok(identity) => {
            if let Err(objection) = examine(header, claims, &identity) {
                panic!("{identity:?} was believed although {objection}");
            }
            let other = URL_SAFE_NO_PAD.encode(KEY.sign(b"another message"));
            let forged = format!("{}.{other}", message(header, claims));
            assert_eq!(present(&GATE, &forged).err(), Some(Kind::UnacceptableToken), "forged");
            Outcome::Accepted
        }
        Err(kind) => {
            let of_claims = [Kind::ExpiredToken, Kind::UnacceptableToken, Kind::InsufficientScope];
            let too_long = kind == Kind::MalformedCredentials && token.len() > LIMIT;
            assert!(too_long || of_claims.contains(&kind), "{kind:?}");
            Outcome::Refused(kind)
        }
    }
}

/// RFC 7515 and RFC 7519, read a second time: what stands against believing this.
fn examine(header: &[u8], claims: &[u8], identity: &Identity) -> Result<(), &'static str> {
    let claims: Map<String, Value> =
        serde_json::from_slice(claims).map_err(|_| "the claims are no JSON object")?;
    let claim = |name: &str| claims.get(name).unwrap_or(&Value::Null);
    let strict = claim("iss") == STRICT;
    examine_header(header, strict)?;
    require(strict || claim("iss") == ISSUER, "the issuer is a stranger")?;
    require(is_or_holds(claim("aud"), AUDIENCE), "it is for somebody else")?;
    require(claim("sub").as_str().is_some_and(|subject| !subject.is_empty()), "it is about nobody")?;
    let (now, leeway) = (f64::from(NOW), f64::from(if strict { 0 } else { LEEWAY }));
    require(claim("exp").as_f64().is_some_and(|end| now < end + leeway), "it has ended")?;
    if let Some(start) = claims.get("nbf") {
        require(start.as_f64().is_some_and(|start| start - leeway <= now), "it has not begun")?;
    }
    if strict {
        require(is_or_holds(claim("tenant"), "acme"), "it is another tenant's")?;
        let granted = claims.get("scope").unwrap_or_else(|| claim("scp"));
        let mut words = granted.as_str().unwrap_or_default().split_whitespace();
        require(is_or_holds(granted, "mcp") || words.any(|word| word == "mcp"), "it grants too little")?;
    }
    let named = claim("iss") == identity.issuer() && claim("sub") == identity.subject();
    require(named, "it names somebody else")
}

fn examine_header(text: &[u8], strict: bool) -> Result<(), &'static str> {
    let names: BTreeMap<String, IgnoredAny> = std::str::from_utf8(text)
        .ok()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or("the header is no JSON object")?;
    require(!names.contains_key("crit"), "the header has critical extensions")?;
    // A member that nobody looks at may be what a tree of values cannot hold, such as 1e999.
    let Ok(header) = serde_json::from_slice::<Map<String, Value>>(text) else {
        return Ok(());
    };
    let parameter = |name: &str| header.get(name).unwrap_or(&Value::Null);
    // Two names of one algorithm: RFC 8037 and RFC 9864.
    require(parameter("alg") == "EdDSA" || parameter("alg") == "Ed25519", "it is another algorithm")?;
    require(parameter("kid").is_null() || parameter("kid") == KID, "it is another key")?;
    let typ = parameter("typ").as_str().unwrap_or_default().to_ascii_lowercase();
    require(!strict || typ == "at+jwt" || typ == "application/at+jwt", "it is of another type")
}

fn require(holds: bool, objection: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(objection) }
}

fn is_or_holds(claim: &Value, wanted: &str) -> bool {
    claim == wanted || claim.as_array().is_some_and(|many| many.iter().any(|one| one == wanted))
}
