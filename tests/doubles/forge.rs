//! The code forge: what it documents, and what clients stumble over.

use countersign_fixtures::forge::Forge;
use countersign_tests::{
    client::{Answer, Plain, encode},
    person::Person,
};
use http::{Request, StatusCode};
use http_body_util::Full;
use url::Url;

const BACK: &str = "http://127.0.0.1:4711/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn code(forge: &Forge, who: &str) -> String {
    let query = encode(&[
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("scope", "read:user repo"),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let first = forge.url(&format!("/login/oauth/authorize?{query}"));
    let back = Person::called(who).walk(&first, BACK).await;
    let told =
        |url: &Url, name: &str| url.query_pairs().find(|(told, _)| told == name).unwrap().1.into_owned();
    assert_eq!(told(&back, "state"), "a state");
    told(&back, "code")
}

async fn redeem(forge: &Forge, secret: &str, code: &str, verifier: &str, accept: &str) -> Answer {
    let form = encode(&[
        ("client_id", "app"),
        ("client_secret", secret),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", verifier),
    ]);
    let request = Request::post(forge.url("/login/oauth/access_token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", accept)
        .body(Full::from(form));
    Plain::default().send(request.unwrap()).await.unwrap()
}

async fn user(forge: &Forge, token: &str, agent: Option<&str>) -> Answer {
    let mut request = Request::get(forge.url("/user")).header("authorization", format!("Bearer {token}"));
    if let Some(agent) = agent {
        request = request.header("user-agent", agent);
    }
    Plain::default().send(request.body(Full::default()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn somebody_is_a_number_and_a_login() {
    let forge = Forge::start("app", "hush").await;
    for who in ["alice", "bob"] {
        let answer = redeem(&forge, "hush", &code(&forge, who).await, VERIFIER, "application/json").await;
        let tokens = answer.json();
        assert_eq!((&tokens["scope"], &tokens["token_type"]), (&"read:user,repo".into(), &"bearer".into()));
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(forge.owner(token).as_deref(), Some(who));
        let said = user(&forge, token, Some("a test")).await.json();
        assert_eq!((&said["login"], said["id"].as_u64()), (&who.into(), forge.number(who)));
        assert_eq!(user(&forge, token, None).await.status, StatusCode::FORBIDDEN);
    }
    assert_ne!(forge.number("alice"), forge.number("bob"));
    assert_eq!(user(&forge, "gho_stolen", Some("a test")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn answers_are_forms_unless_json_is_asked_for_and_refusals_are_answers() {
    let forge = Forge::start("app", "hush").await;
    let answer = redeem(&forge, "hush", &code(&forge, "alice").await, VERIFIER, "*/*").await;
    assert!(answer.text().starts_with("access_token=gho_"), "{}", answer.text());

    let unspent = code(&forge, "alice").await;
    for (secret, verifier, error) in [
        ("wrong", VERIFIER, "incorrect_client_credentials"),
        ("hush", "another", "bad_verification_code"),
        // The attempt before has spent it.
        ("hush", VERIFIER, "bad_verification_code"),
    ] {
        let answer = redeem(&forge, secret, &unspent, verifier, "application/json").await;
        assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::OK, &error.into()));
    }
    let stranger = forge.url("/login/oauth/authorize?client_id=nobody&redirect_uri=http://127.0.0.1/");
    assert_eq!(Plain::default().fetch(&stranger).await.status, StatusCode::BAD_REQUEST);
    let evil = forge.url("/login/oauth/authorize?client_id=app&redirect_uri=https://evil.example/");
    assert_eq!(Plain::default().fetch(&evil).await.status, StatusCode::BAD_REQUEST);
}
