//! Enterprise-managed authorization: every wrong assertion is refused before it is redeemed.

use super::{
    backend::Backend,
    desk::Desk,
    gateway::{Gateway, boxed, wire},
    people::{account, claims, connect, endpoint, introduce_ourselves, refresh},
    store::Shared,
};
use crate::{
    service::{Service, bearer},
    world::World,
};
use countersign::{
    ServiceBuilderExt,
    exchange::{Exchange, IdJag, UpstreamsToken},
    token_endpoint::TokenEndpoint,
    tokens::{Need, StoredTokens},
};
use countersign_fixtures::{
    idp::{Idp, Mint, MintFault},
    keys::Algorithm,
};
use countersign_tests::client::Answer;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceBuilder;

const WIKI: &str = "https://mcp.wiki.example/mcp";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The company's provider, the wiki's authorization server, the wiki, and Alice, who signed in at the company's.
struct Scene {
    world: World,
    corp: Idp,
    wiki: Idp,
    backend: Backend,
    service: Service,
}

impl Scene {
    async fn new() -> Self {
        let corp = |corp: &Idp| endpoint(corp);
        Self::asking(corp).await
    }

    /// The assertion is asked for at what `asserting` says.
    async fn asking(asserting: impl FnOnce(&Idp) -> TokenEndpoint) -> Self {
        let (world, backend) = (World::new().await, Backend::start().await);
        let (corp, wiki) = (Idp::start(world.clock.clone()).await, Idp::start(world.clock.clone()).await);
        introduce_ourselves(&wiki);
        wiki.trust(&corp);
        let store = Shared::new(&world.clock);
        store.put(account(&world.idp, "alice", "corp"), connect(&corp, "alice").await);
        let source =
            StoredTokens::builder(store, refresh(&corp, "corp")).with_clock(world.our_clock()).build();
        let exchange = Exchange::builder(asserting(&corp), UpstreamsToken::id_token("corp"))
            .with_scopes(["pages"])
            .by_assertion(IdJag {
                asserted_by: corp.issuer().to_owned(),
                authorization_server: wiki.issuer().to_owned(),
                resource: WIKI.to_owned(),
                token_endpoint: endpoint(&wiki),
            })
            .with_clock(world.our_clock())
            .build()
            .unwrap();
        let stack = ServiceBuilder::new()
            .resolve_tokens(source, [Need::id_token("corp")])
            .exchange_token(exchange)
            .attach_exchanged_token()
            .service(wire());
        let service = Gateway::new().route("/", boxed(stack), backend.url()).start(&world).await;
        Self { world, corp, wiki, backend, service }
    }

    async fn call(&self) -> Answer {
        let [authorization] = bearer(&self.world.alice().token());
        let request = Request::post(self.service.url()).header("authorization", authorization);
        self.service.send(request.body(Full::from("{}")).unwrap()).await
    }

    /// A good assertion, to be spoilt.
    fn assertion(&self) -> Mint {
        self.corp
            .mint("alice")
            .algorithm(Algorithm::EdDSA)
            .header("typ", "oauth-id-jag+jwt")
            .audience(self.wiki.issuer())
            .claim("client_id", "gateway")
            .claim("resource", WIKI)
            .claim("scope", "pages")
            .claim("jti", "once")
    }
}

fn issued(assertion: &str) -> Value {
    json!({"access_token": assertion, "token_type": "N_A", "issued_token_type": ID_JAG, "expires_in": 300})
}

#[tokio::test]
async fn the_wiki_gets_a_token_of_its_own_server() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        let answer = scene.call().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let arrived = claims(&scene.backend.tokens()[0]);
    assert_eq!((&arrived["iss"], &arrived["aud"]), (&json!(scene.wiki.issuer()), &json!(WIKI)));
    assert_eq!((&arrived["sub"], &arrived["scope"]), (&json!("alice"), &json!("pages")));
    assert_eq!(scene.wiki.hits("/token"), 1);
}

#[tokio::test]
async fn a_wrong_assertion_is_not_redeemed() {
    let desk = Desk::start().await;
    let scene = Scene::asking(|_| desk.endpoint()).await;
    let good = scene.assertion().token();
    let (wiki, elsewhere) = (scene.wiki.issuer(), "https://elsewhere.example");
    let mut answers: Vec<(&str, Value)> = vec![
        (
            "a token of another type",
            json!({"access_token": good, "token_type": "N_A",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}),
        ),
        ("no type", json!({"access_token": good, "token_type": "N_A"})),
        (
            "usable as a token",
            json!({"access_token": good, "token_type": "Bearer", "issued_token_type": ID_JAG}),
        ),
        ("no JWT", issued("opaque")),
        ("the ID token itself", issued("<subject>")),
    ];
    for (case, mint) in [
        ("another `typ`", scene.assertion().header("typ", "at+jwt")),
        ("no `typ`", scene.assertion().header("typ", Value::Null)),
        ("another issuer", scene.assertion().fault(MintFault::WrongIssuer)),
        ("for another server", scene.assertion().audience(elsewhere)),
        ("for two servers", scene.assertion().audiences(&[wiki, elsewhere])),
        ("for nobody", scene.assertion().without_claim("aud")),
        ("for another resource", scene.assertion().claim("resource", elsewhere)),
        ("for two resources", scene.assertion().claim("resource", json!([WIKI, elsewhere]))),
        ("for any resource", scene.assertion().without_claim("resource")),
        ("for another client", scene.assertion().claim("client_id", "mallory")),
        ("for any client", scene.assertion().without_claim("client_id")),
        ("about nobody", scene.assertion().claim("sub", "")),
        ("ended", scene.assertion().fault(MintFault::Expired)),
        ("without an end", scene.assertion().without_claim("exp")),
    ] {
        answers.push((case, issued(&mint.token())));
    }
    for (case, answer) in answers {
        desk.say(200, answer);
        let got = scene.call().await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{case}: {}", got.text());
        assert_eq!(scene.wiki.hits("/token"), 0, "{case}");
        scene.world.clock.advance(std::time::Duration::from_secs(5));
    }
    assert!(scene.backend.bytes().is_empty());

    // The signature is the wiki's server's to check.
    desk.say(200, issued(&scene.assertion().fault(MintFault::BadSignature).token()));
    assert_eq!(scene.call().await.status, StatusCode::FORBIDDEN);
    assert_eq!(scene.wiki.hits("/token"), 1);
    scene.world.clock.advance(std::time::Duration::from_secs(5));
    desk.say(200, issued(&scene.assertion().token()));
    assert_eq!(scene.call().await.status, StatusCode::OK);
}

#[test]
fn what_cannot_work_is_told_at_once() {
    use countersign::{exchange::CallersToken, token_endpoint::ClientAuthentication};
    let nobody = || TokenEndpoint::new("http://corp.example/token", ClientAuthentication::public(""));
    let error = Exchange::builder(nobody(), CallersToken::new())
        .with_audience("")
        .with_resource("/relative")
        .by_assertion(IdJag {
            asserted_by: "corp".into(),
            authorization_server: "wiki".into(),
            resource: "https://wiki.example/#here".into(),
            token_endpoint: nobody(),
        })
        .build()
        .unwrap_err();
    assert_eq!(error.problems().len(), 11, "{:#?}", error.problems());
}
