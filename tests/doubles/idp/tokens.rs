//! Minted tokens: believed when they are right, and each broken in exactly the way that was ordered.

use super::{World, check, part, text};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use countersign_fixtures::{
    idp::{MintFault, Publication},
    keys::Algorithm,
};
use http::{Request, StatusCode};
use http_body_util::Full;
use jsonwebtoken::{
    DecodingKey, crypto,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse},
};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://api.example";

#[tokio::test]
async fn tokens_of_each_algorithm_verify_against_the_published_keys() {
    let world = World::new().await;
    world.idp.rotate(Algorithm::PS256);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let token = world.idp.mint("alice").algorithm(algorithm).token();
        let claims = world.check(&token, AUDIENCE).await.unwrap();
        assert_eq!(claims["sub"], "alice");
        assert_eq!(claims["groups"], json!(["admins", "engineering"]));
        assert_eq!(part(&token, 0)["alg"], algorithm.name());
    }
    let carol = world.check(&world.idp.mint("carol").token(), AUDIENCE).await.unwrap();
    assert_eq!(carol["groups"], json!([]));
    assert_eq!(carol["email_verified"], false);
    let stranger = world.check(&world.idp.mint("zoe").token(), AUDIENCE).await.unwrap();
    assert_eq!(stranger.get("groups"), None);
}

#[tokio::test]
async fn every_fault_shows() {
    let world = World::new().await;
    for fault in MintFault::ALL {
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            let token = world.idp.mint("alice").algorithm(algorithm).fault(fault).token();
            let symptom = Symptom::of(&world, &token).await;
            assert!(symptom.shows(fault), "{fault:?} {algorithm:?}: {symptom:?}");
        }
    }
}

/// What is odd about a token.
#[derive(Debug)]
struct Symptom {
    header: Value,
    size: usize,
    /// What a relying party that does everything right finds; jsonwebtoken looks at neither `typ` nor `crit`.
    verdict: Result<(), ErrorKind>,
    published_use: Option<PublicKeyUse>,
    published: bool,
    attack_works: bool,
}

impl Symptom {
    async fn of(world: &World, token: &str) -> Self {
        let published = world.published().await;
        let header = part(token, 0);
        let key = header["kid"].as_str().and_then(|kid| published.find(kid));
        Self {
            size: token.len(),
            verdict: check(&published, world.idp.issuer(), token, AUDIENCE)
                .map(drop)
                .map_err(|error| error.into_kind()),
            published_use: key.and_then(|key| key.common.public_key_use.clone()),
            published: key.is_some(),
            attack_works: attack_works(world, token, &header, key).await,
            header,
        }
    }

    fn shows(&self, fault: MintFault) -> bool {
        let believed = self.verdict.is_ok();
        match fault {
            MintFault::Expired => self.verdict == Err(ErrorKind::ExpiredSignature),
            MintFault::NotYetValid => self.verdict == Err(ErrorKind::ImmatureSignature),
            MintFault::WrongIssuer => self.verdict == Err(ErrorKind::InvalidIssuer),
            MintFault::WrongAudience => self.verdict == Err(ErrorKind::InvalidAudience),
            MintFault::BadSignature => self.verdict == Err(ErrorKind::InvalidSignature),
            MintFault::WrongType => believed && self.header["typ"] == "logout+jwt",
            MintFault::Crit => {
                let named = self.header["crit"][0].as_str().unwrap();
                believed && self.header.get(named).is_some()
            }
            MintFault::HugeClaim => believed && self.size > 1 << 20,
            MintFault::KeyOfOtherUse => believed && self.published_use == Some(PublicKeyUse::Encryption),
            MintFault::UnknownKid => self.header["kid"].is_string() && !self.published,
            MintFault::NoKid => !believed && self.header.get("kid").is_none(),
            MintFault::AlgNone => !believed && self.header["alg"] == "none" && self.attack_works,
            MintFault::Hs256WithPublicKey => !believed && self.header["alg"] == "HS256" && self.attack_works,
            MintFault::EmbeddedJwk | MintFault::ForeignJku => !self.published && self.attack_works,
            other => panic!("nobody says how {other:?} shows"),
        }
    }
}

/// Whether a relying party that believes the header would be taken in.
async fn attack_works(world: &World, token: &str, header: &Value, published: Option<&Jwk>) -> bool {
    let signed_by = |key: &DecodingKey, algorithm: &str| {
        let (message, signature) = token.rsplit_once('.').unwrap();
        crypto::verify(signature, message.as_bytes(), key, algorithm.parse().unwrap()).unwrap_or(false)
    };
    let named = header["alg"].as_str().unwrap();
    if named == "none" {
        return token.ends_with('.');
    }
    if named == "HS256" {
        let pem = pem(published.unwrap());
        return signed_by(&DecodingKey::from_secret(pem.as_bytes()), named);
    }
    if let Some(jwk) = header.get("jwk") {
        let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
        return signed_by(&DecodingKey::from_jwk(&jwk).unwrap(), named);
    }
    if let Some(jku) = header["jku"].as_str() {
        let set: JwkSet = serde_json::from_slice(&world.http.fetch(jku).await.body).unwrap();
        let jwk = set.find(header["kid"].as_str().unwrap()).unwrap();
        return signed_by(&DecodingKey::from_jwk(jwk).unwrap(), named);
    }
    false
}

/// The `PUBLIC KEY` PEM of a published key: what anybody can make of the key set.
fn pem(key: &Jwk) -> String {
    const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA";
    const EXPONENT_65537: &str = "AgMBAAE=";
    const P_256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
    const ED25519: &str = "MCowBQYDK2VwAyEA";
    let base64url = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let base64 = |text: &str| STANDARD.decode(text).unwrap();
    let der = match &key.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            [base64(RSA_2048), base64url(&rsa.n), base64(EXPONENT_65537)].concat()
        }
        AlgorithmParameters::EllipticCurve(ec) => {
            [base64(P_256), base64url(&ec.x), base64url(&ec.y)].concat()
        }
        AlgorithmParameters::OctetKeyPair(okp) => [base64(ED25519), base64url(&okp.x)].concat(),
        AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_) | _ => {
            panic!("no such key is published: {key:?}")
        }
    };
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[tokio::test]
async fn curl_gets_any_claim_and_any_header() {
    let world = World::new().await;
    let order = json!({
        "sub": "bob", "aud": ["https://a.example", "https://b.example"], "alg": "ES256", "expires_in": 60,
        "claims": {"nbf": null, "tenant": "acme"}, "header": {"typ": "at+jwt", "kid": null},
    });
    let answer = world.http.post_json(&world.idp.url("/_mint"), &order).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("text/plain"));
    let (header, claims) = (part(&answer.text(), 0), part(&answer.text(), 1));
    assert_eq!(header, json!({"alg": "ES256", "typ": "at+jwt"}));
    assert_eq!(claims["aud"], json!(["https://a.example", "https://b.example"]));
    assert_eq!(claims["groups"], json!(["engineering"]));
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims.get("nbf"), None);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);

    let wanting_json = Request::post(world.idp.url("/_mint"))
        .header("accept", "application/json")
        .body(Full::new(Bytes::from("{}")))
        .unwrap();
    let answer = world.http.send(wanting_json).await.unwrap();
    world.check(&text(&answer, "token"), AUDIENCE).await.unwrap();
}

#[tokio::test]
async fn a_mistaken_order_hears_what_is_wrong() {
    let world = World::new().await;
    for (path, order, complaint) in [
        ("/_mint", json!({"fault": "expird"}), "unknown variant `expird`"),
        ("/_mint", json!({"audience": "x"}), "unknown field `audience`"),
        ("/_mint", json!({"aud": 7}), "`aud` has to be"),
        ("/_mint", json!({"alg": "HS256"}), "expected one of `RS256`"),
        ("/_mint", json!({"kid": "gone"}), "no key `gone`"),
        ("/_rotate", json!({}), "neither `alg` nor `retire`"),
        ("/_rotate", json!({"retire": "gone"}), "no key `gone`"),
        ("/_faults", json!({"path": "/jwks"}), "missing field `fault`"),
        ("/_faults", json!({"path": "/_mint", "fault": "reset"}), "`path` /_mint"),
        ("/_script", json!({"sign_in": "mallory"}), "nobody is called `mallory`"),
    ] {
        let answer = world.http.post_json(&world.idp.url(path), &order).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {order}");
        assert!(answer.text().contains(complaint), "{path} {order}: {}", answer.text());
        assert!(answer.text().contains("for example: "), "{}", answer.text());
    }
}

#[tokio::test]
async fn keys_rotate_with_an_overlap() {
    let world = World::new().await;
    let old = world.idp.kid(Algorithm::ES256);
    let early = world.idp.mint("alice").algorithm(Algorithm::ES256).token();
    let rotated = world.http.post_json(&world.idp.url("/_rotate"), &json!({"alg": "ES256"})).await;
    let late = world.idp.mint("alice").algorithm(Algorithm::ES256).token();
    assert_eq!(part(&late, 0)["kid"], text(&rotated, "kid"));
    assert!(world.check(&early, AUDIENCE).await.is_ok());
    assert!(world.check(&late, AUDIENCE).await.is_ok());

    let retired = world.http.post_json(&world.idp.url("/_rotate"), &json!({"retire": old})).await;
    assert_eq!(retired.status, StatusCode::OK);
    assert!(world.check(&early, AUDIENCE).await.is_err());
    assert!(world.check(&late, AUDIENCE).await.is_ok());
    let with_retired = world.idp.mint("alice").key(&old).token();
    assert!(world.check(&with_retired, AUDIENCE).await.is_err());
}

#[tokio::test]
async fn a_key_can_be_published_in_every_way() {
    let world = World::new().await;
    let bare = world.idp.add_key(Algorithm::ES256, Publication::WithoutAlgorithm);
    let hidden = world.idp.add_key(Algorithm::ES256, Publication::Withheld);
    let encryption = world.idp.add_key(Algorithm::ES256, Publication::Encryption);
    let published = world.published().await;
    assert_eq!(published.find(&bare).unwrap().common.key_algorithm, None);
    assert_eq!(published.find(&encryption).unwrap().common.public_key_use, Some(PublicKeyUse::Encryption));
    assert!(published.find(&hidden).is_none());
    assert!(world.check(&world.idp.mint("alice").key(&bare).token(), AUDIENCE).await.is_ok());
    assert!(world.check(&world.idp.mint("alice").key(&hidden).token(), AUDIENCE).await.is_err());
}
