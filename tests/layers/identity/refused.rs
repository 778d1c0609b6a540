//! The error table for tokens, row by row: status, challenge, body, and nothing of the token anywhere.

use crate::{
    log::Log,
    service::{EXPIRED, MALFORMED, NO_TOKEN, Refusal, Service, TOO_LITTLE, UNACCEPTABLE, bearer},
    world::{AUDIENCE, JWKS, World},
};
use countersign::identity::Issuer;
use countersign_fixtures::{
    idp::{Idp, Mint, MintFault, Publication},
    keys::Algorithm,
};
use countersign_tests::client::Plain;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// In every token's claims, and nowhere else.
const MARK: &str = "only-the-claims-say-this";

struct Row {
    name: String,
    authorization: Vec<HeaderValue>,
    refusal: &'static Refusal,
}

#[tokio::test]
async fn every_row_of_the_table() {
    let log = Log::record();
    let world = World::new().await;
    for algorithm in ALGORITHMS {
        // Two signing keys and one for encryption, before the one fetch that there will be.
        world.idp.rotate(algorithm);
        world.idp.add_key(algorithm, Publication::Encryption);
    }
    let service = Service::guarded_by(world.verifier(demanding(&world))).await;
    for algorithm in ALGORITHMS {
        let answer = service.ask(&good(&world.idp, algorithm).token()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    let mut rows = headers(&world.idp);
    rows.extend(faults(&world.idp));
    rows.extend(changes(&world.idp));
    let mut answers = String::new();
    for row in &rows {
        let answer = service.get("/", &row.authorization).await;
        row.refusal.assert_is(&answer, &row.name);
        answers.push_str(&format!("{:?} {}\n", answer.headers, answer.text()));
    }

    let refused = log.lines("refused").len();
    assert!(refused >= rows.len(), "{refused} of {} rows are logged", rows.len());
    let log = log.text();
    for row in &rows {
        for secret in row.authorization.iter().flat_map(secrets) {
            assert!(!answers.contains(&secret), "{}: {secret} is in an answer", row.name);
            assert!(!log.contains(&secret), "{}: {secret} is in the log", row.name);
        }
    }
    for claim in [MARK, "alice@example.com"] {
        assert!(!answers.contains(claim) && !log.contains(claim), "{claim}");
    }
    assert_eq!(world.idp.hits("/_strangers"), 0, "nobody follows a `jku`");
    assert_eq!(world.idp.hits(JWKS), 1, "no row causes a fetch within the cool-down");
}

#[tokio::test]
async fn a_token_may_be_as_long_as_sts_takes_and_no_longer() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let padded = |header: usize, claim: usize| {
        let mint = world.alice().claim("pad", "x".repeat(claim));
        mint.header("pad", "x".repeat(header)).token()
    };
    // Base64 skips every fourth length; with a second padding any sum can be met.
    let of_length = |length: usize| {
        let about = (length - padded(0, 0).len()) * 3 / 4;
        (0..3)
            .flat_map(|header| (about - 6..about + 6).map(move |claim| (header, claim)))
            .map(|(header, claim)| padded(header, claim))
            .find(|token| token.len() == length)
            .unwrap()
    };
    assert_eq!(service.ask(&of_length(20_000)).await.status, StatusCode::OK);
    MALFORMED.assert_is(&service.ask(&of_length(20_001)).await, "one character more");

    let huge = world.alice().fault(MintFault::HugeClaim).token();
    let request = Request::get(service.url())
        .header(header::AUTHORIZATION, format!("Bearer {huge}"))
        .body(Full::default())
        .unwrap();
    // No server reads that much; whether the client gets to hear so depends on who is quicker.
    if let Ok(answer) = Plain::default().send(request).await {
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}

#[tokio::test]
async fn a_token_elsewhere_in_the_request_is_none() {
    let world = World::new().await;
    let service = Service::guarded_by(world.verifier(world.issuer())).await;
    let path = format!("/?access_token={}", world.alice().token());
    NO_TOKEN.assert_is(&service.get(&path, &[]).await, "in the query");
}

/// Terms of which every one can be missed.
fn demanding(world: &World) -> Issuer {
    world
        .issuer()
        .with_token_type("at+jwt")
        .with_required_scopes(["mcp", "read"])
        .with_required_claim("tenant", json!("acme"))
}

/// A token that meets them all.
fn good(idp: &Idp, algorithm: Algorithm) -> Mint {
    idp.mint("alice")
        .algorithm(algorithm)
        .audience(AUDIENCE)
        .header("typ", "at+jwt")
        .claim("scope", "read mcp write")
        .claim("tenant", "acme")
        .claim("mark", MARK)
}

/// What is wrong before anybody looks at a token.
fn headers(idp: &Idp) -> Vec<Row> {
    let token = || good(idp, Algorithm::EdDSA).token();
    let value = |text: String| HeaderValue::from_str(&text).unwrap();
    let mut not_ascii = format!("Bearer {}", token()).into_bytes();
    not_ascii.push(0xff);
    [
        ("no header", vec![], &NO_TOKEN),
        ("another scheme", vec![value("Basic YWxpY2U6b3Blbi1zZXNhbWU".into())], &NO_TOKEN),
        ("an empty header", vec![value(String::new())], &NO_TOKEN),
        (
            "two headers",
            vec![value(format!("Bearer {}", token())), value(format!("Bearer {}", token()))],
            &MALFORMED,
        ),
        (
            "two schemes",
            vec![value(format!("Bearer {}", token())), value("Basic YWxpY2U6b3Blbi1zZXNhbWU".into())],
            &MALFORMED,
        ),
        (
            "two tokens in one header",
            vec![value(format!("Bearer {}, Bearer {}", token(), token()))],
            &MALFORMED,
        ),
        ("two words", vec![value(format!("Bearer {} {}", token(), token()))], &MALFORMED),
        ("a scheme alone", vec![value("Bearer".into())], &MALFORMED),
        ("a scheme and a space", vec![value("Bearer ".into())], &MALFORMED),
        ("no ASCII", vec![HeaderValue::from_bytes(&not_ascii).unwrap()], &MALFORMED),
        ("a quoted token", vec![value(format!("Bearer \"{}\"", token()))], &MALFORMED),
        (
            "an oversized token",
            bearer(&good(idp, Algorithm::EdDSA).claim("pad", "x".repeat(15_000)).token()).into(),
            &MALFORMED,
        ),
    ]
    .map(|(name, authorization, refusal)| Row { name: name.to_owned(), authorization, refusal })
    .into()
}

/// Every lie that the provider can be ordered to tell, with every kind of key.
fn faults(idp: &Idp) -> Vec<Row> {
    let mut rows = Vec::new();
    for fault in MintFault::ALL {
        if fault == MintFault::HugeClaim {
            // Too long for any server's headers; a shorter one is oversized as well, in a row of its own.
            continue;
        }
        let refusal = if fault == MintFault::Expired { &EXPIRED } else { &UNACCEPTABLE };
        for algorithm in ALGORITHMS {
            let token = good(idp, algorithm).fault(fault).token();
            rows.push(Row {
                name: format!("{fault:?} {}", algorithm.name()),
                authorization: bearer(&token).into(),
                refusal,
            });
        }
    }
    rows
}

/// Tokens that were good but for one thing.
fn changes(idp: &Idp) -> Vec<Row> {
    let good = || good(idp, Algorithm::ES256);
    let honest = good().token();
    let [header, claims, signature] = parts(&honest);
    let other = good().claim("sub", "mallory").token();
    let [_, other_claims, _] = parts(&other);
    let rows: [(&str, String, &'static Refusal); 24] = [
        ("a word", "correct-horse-battery-staple".into(), &UNACCEPTABLE),
        ("two parts", format!("{header}.{claims}"), &UNACCEPTABLE),
        ("four parts", format!("{honest}.{signature}"), &UNACCEPTABLE),
        ("no signature", format!("{header}.{claims}."), &UNACCEPTABLE),
        ("the claims of another token", format!("{header}.{other_claims}.{signature}"), &UNACCEPTABLE),
        ("padded Base64", format!("{honest}=="), &UNACCEPTABLE),
        ("an ID token's type", good().header("typ", "JWT").token(), &UNACCEPTABLE),
        ("no type", good().header("typ", json!(null)).token(), &UNACCEPTABLE),
        ("crit of nothing", good().header("crit", json!([])).token(), &UNACCEPTABLE),
        ("a number as kid", good().header("kid", 7).token(), &UNACCEPTABLE),
        (
            "the kid of a key for another algorithm",
            good().header("kid", idp.kid(Algorithm::RS256)).token(),
            &UNACCEPTABLE,
        ),
        ("another algorithm than the key's", good().header("alg", "ES384").token(), &UNACCEPTABLE),
        ("no audience", good().without_claim("aud").token(), &UNACCEPTABLE),
        (
            "an audience that begins like ours",
            good().audience(&format!("{AUDIENCE}/")).token(),
            &UNACCEPTABLE,
        ),
        (
            "a list without our audience",
            good().audiences(&["https://a.example", "https://b.example"]).token(),
            &UNACCEPTABLE,
        ),
        ("no issuer", good().without_claim("iss").token(), &UNACCEPTABLE),
        (
            "an issuer that begins like ours",
            good().claim("iss", format!("{}/", idp.issuer())).token(),
            &UNACCEPTABLE,
        ),
        ("no subject", good().without_claim("sub").token(), &UNACCEPTABLE),
        ("no end", good().without_claim("exp").token(), &UNACCEPTABLE),
        ("an end in words", good().claim("exp", "tomorrow").token(), &UNACCEPTABLE),
        ("a claim is missing", good().without_claim("tenant").token(), &UNACCEPTABLE),
        ("a claim is another", good().claim("tenant", "acme2").token(), &UNACCEPTABLE),
        ("no scope", good().without_claim("scope").token(), &TOO_LITTLE),
        ("a scope is missing", good().claim("scope", "mcp write").token(), &TOO_LITTLE),
    ];
    rows.map(|(name, token, refusal)| Row {
        name: name.to_owned(),
        authorization: bearer(&token).into(),
        refusal,
    })
    .into()
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().unwrap()
}

/// Every word of a header, and every part of it, that is long enough to be told from other text.
fn secrets(authorization: &HeaderValue) -> Vec<String> {
    String::from_utf8_lossy(authorization.as_bytes())
        .split([' ', ',', '.', '"', '='])
        .filter(|part| part.len() > 8)
        .map(str::to_owned)
        .collect()
}
