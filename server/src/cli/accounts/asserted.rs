//! Enterprise-managed authorization through the gateway: the company's provider asserts who calls, and the wiki's own
//! authorization server issues the token. Every wrong assertion is refused before it is redeemed.

use super::{Backend, HOUR, House, Running};
use axum::{Json, Router, extract::State, routing::post};
use countersign::tokens::Connection;
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::{Idp, Mint, MintFault, Person},
    keys::Algorithm,
};
use countersign_tests::account::{introduce, sign_in};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const WIKI: &str = "https://mcp.wiki.example/mcp";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What a token endpoint answers, whatever it is asked.
type Says = Arc<Mutex<Value>>;

/// The company's provider is the issuer of callers, too; the backend's is the wiki's authorization server.
struct Scene {
    house: House,
    corp: Idp,
    wiki: Backend,
    gateway: Running,
    says: Says,
    _desk: Server,
}

impl Scene {
    /// The company's provider is asked itself, or a desk that says what it is told to.
    async fn new(by_desk: bool) -> Self {
        let (house, wiki) = (House::new().await, Backend::of("wiki").await);
        let corp = Idp::start(Clock::default()).await;
        introduce(&wiki.provider);
        introduce(&corp);
        wiki.provider.trust(&corp);
        let says = Says::default();
        let answer = async |State(says): State<Says>| Json(says.lock().unwrap().clone());
        let desk = Server::start(Router::new().route("/token", post(answer)).with_state(says.clone())).await;
        let asserting = if by_desk { format!("{}/token", desk.url()) } else { corp.url("/token") };
        let secret = house.secret();
        let (corp_issuer, wiki_issuer) = (corp.issuer(), wiki.provider.issuer());
        let (issuer, url, redeeming) = (house.issuer.issuer(), wiki.tap.url(), wiki.provider.url("/token"));
        let client = format!("client_id: gateway, client_secret: '{secret}', client_authentication: post");
        let text = format!(
            "
listen: 127.0.0.1:0
identity: {{issuers: [{{issuer: '{issuer}'}}]}}
backends:
  wiki:
    url: {url}/mcp
    auth:
      id_jag: {{provider: corp, asserted_by: '{corp_issuer}', authorization_server: '{wiki_issuer}',
        resource: '{WIKI}', scope: pages, token_url: '{redeeming}', {client}}}
authorization_server:
  upstreams:
    - {{name: staff, oidc: {{issuer: '{issuer}', {client}}}}}
    - {{name: corp, oidc: {{issuer: '{corp_issuer}', token_url: '{asserting}', {client}}}}}
store: {{memory: true}}
"
        );
        let gateway = house.serving(&text).await;
        Self { house, corp, wiki, gateway, says, _desk: desk }
    }

    /// Somebody who signed in at the company's provider.
    async fn connect(&self, who: &str) {
        self.corp.add_person(Person::new(who));
        let tokens = sign_in(&self.corp, who).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let now = self.corp.clock().now();
        let connection = Connection::new(text("access_token").into(), now)
            .with_expires(now + HOUR)
            .with_id_token(text("id_token").into(), Some(now + HOUR));
        self.house.connections().connect(&self.house.account(who, "corp"), &connection).await.unwrap();
    }

    async fn call(&self, who: &str) -> Value {
        self.house.client(who, &self.gateway).call().await
    }

    /// A good assertion, to be spoilt.
    fn assertion(&self, who: &str) -> Mint {
        self.corp
            .mint(who)
            .algorithm(Algorithm::EdDSA)
            .header("typ", "oauth-id-jag+jwt")
            .audience(self.wiki.provider.issuer())
            .claim("client_id", "gateway")
            .claim("resource", WIKI)
            .claim("scope", "pages")
            .claim("jti", who)
    }
}

fn issued(assertion: &str) -> Value {
    json!({"access_token": assertion, "token_type": "N_A", "issued_token_type": ID_JAG, "expires_in": 300})
}

#[tokio::test]
async fn the_wiki_gets_a_token_of_its_own_server() {
    let scene = Scene::new(false).await;
    scene.connect("alice").await;
    for _ in 0..3 {
        let answer = scene.call("alice").await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }
    assert_eq!((scene.wiki.provider.hits("/token"), scene.wiki.tap.bearer_tokens().len()), (1, 3));
    let alice = scene.house.client("alice", &scene.gateway);
    assert!(!scene.wiki.tap.has_seen(&alice.token), "the caller's own token reached the backend");
}

#[tokio::test]
async fn a_wrong_assertion_is_not_redeemed() {
    let scene = Scene::new(true).await;
    let (wiki, elsewhere) = (scene.wiki.provider.issuer(), "https://elsewhere.example");
    type Spoil<'s> = Box<dyn Fn(Mint) -> Value + 's>;
    let spoilt =
        |spoil: fn(Mint) -> Mint| -> Spoil<'_> { Box::new(move |good| issued(&spoil(good).token())) };
    let cases: Vec<(&str, Spoil<'_>)> = vec![
        (
            "a token of another type",
            Box::new(|good| {
                let kind = "urn:ietf:params:oauth:token-type:access_token";
                json!({"access_token": good.token(), "token_type": "N_A", "issued_token_type": kind})
            }),
        ),
        ("no type", Box::new(|good| json!({"access_token": good.token(), "token_type": "N_A"}))),
        (
            "usable as a token",
            Box::new(
                |good| json!({"access_token": good.token(), "token_type": "Bearer", "issued_token_type": ID_JAG}),
            ),
        ),
        ("no JWT", Box::new(|_| issued("opaque"))),
        ("another typ", spoilt(|good| good.header("typ", "at+jwt"))),
        ("no typ", spoilt(|good| good.header("typ", Value::Null))),
        ("another issuer", spoilt(|good| good.fault(MintFault::WrongIssuer))),
        ("for another server", spoilt(|good| good.audience("https://elsewhere.example"))),
        ("for two servers", Box::new(|good| issued(&good.audiences(&[wiki, elsewhere]).token()))),
        ("for nobody", spoilt(|good| good.without_claim("aud"))),
        ("for another resource", spoilt(|good| good.claim("resource", "https://elsewhere.example"))),
        (
            "for two resources",
            spoilt(|good| good.claim("resource", json!([WIKI, "https://elsewhere.example"]))),
        ),
        ("for any resource", spoilt(|good| good.without_claim("resource"))),
        ("for another client", spoilt(|good| good.claim("client_id", "mallory"))),
        ("for any client", spoilt(|good| good.without_claim("client_id"))),
        ("about nobody", spoilt(|good| good.claim("sub", ""))),
        ("ended", spoilt(|good| good.fault(MintFault::Expired))),
        ("without an end", spoilt(|good| good.without_claim("exp"))),
    ];
    for (number, (case, answer)) in cases.iter().enumerate() {
        // Each is somebody else, whom no failure of before is remembered for.
        let who = format!("person-{number}");
        scene.connect(&who).await;
        *scene.says.lock().unwrap() = answer(scene.assertion(&who));
        let told = scene.call(&who).await;
        assert_eq!(told["error"]["code"], -32000, "{case}: {told}");
        assert_eq!(scene.wiki.provider.hits("/token"), 0, "{case}");
    }
    assert!(scene.wiki.tap.bytes().is_empty());

    // The signature is the wiki's server's to check.
    for (who, fault, good) in [("mallory", true, false), ("alice", false, true)] {
        scene.connect(who).await;
        let assertion = scene.assertion(who);
        let assertion = if fault { assertion.fault(MintFault::BadSignature) } else { assertion };
        *scene.says.lock().unwrap() = issued(&assertion.token());
        let told = scene.call(who).await;
        assert_eq!(told["result"]["isError"] == false, good, "{who}: {told}");
    }
    assert_eq!(scene.wiki.provider.hits("/token"), 2);
}
