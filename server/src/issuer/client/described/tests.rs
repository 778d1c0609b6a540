use super::*;
use crate::issuer::{
    client::{Client, Clients, Credentials, Evidence, Limits, Proof},
    fetch::Fetcher,
    reach::Reach,
    testing::Scene,
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Response, Uri},
};
use countersign_fixtures::{
    http::{Bound, Server},
    keys::{Algorithm, SigningKey, jws},
};
use futures_util::future::join_all;
use serde_json::json;
use std::{
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const ISSUER: &str = "https://mcp.example.com";
const TOKEN: &str = "https://mcp.example.com/oauth/token";

/// The host of clients' documents, on this machine.
struct Host {
    served: Arc<Served>,
    server: Server,
}

#[derive(Default)]
struct Served {
    asked: AtomicU64,
    status: AtomicU64,
    cache_control: Mutex<Option<String>>,
    /// What every document says besides.
    members: Mutex<Value>,
    keys: Mutex<Value>,
}

impl Host {
    async fn start() -> Self {
        let served = Arc::new(Served::default());
        served.status.store(200, Ordering::Relaxed);
        *served.members.lock().unwrap() = json!({});
        let bound: Bound = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
        let base = bound.url();
        let router = Router::new()
            .fallback(async move |State(served): State<Arc<Served>>, uri: Uri| {
                served.answer(&base, &uri.to_string())
            })
            .with_state(served.clone());
        Self { served, server: bound.serve(router) }
    }

    fn id(&self, name: &str) -> String {
        format!("{}/{name}", self.server.url())
    }

    fn asked(&self) -> u64 {
        self.served.asked.load(Ordering::Relaxed)
    }

    fn say(&self, members: Value) {
        *self.served.members.lock().unwrap() = members;
    }
}

impl Served {
    fn answer(&self, base: &str, path: &str) -> Response<Body> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut document = json!({
            "client_id": format!("{base}{path}"),
            "client_name": "An inspector",
            "redirect_uris": ["https://client.example/callback"],
        });
        let members = self.members.lock().unwrap().clone();
        document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        if path == "/keys" {
            document = self.keys.lock().unwrap().clone();
        }
        let status = u16::try_from(self.status.load(Ordering::Relaxed)).unwrap();
        let answer = Response::builder().status(status).header("content-type", "application/json");
        let control = self.cache_control.lock().unwrap().clone();
        let answer = control.into_iter().fold(answer, |answer, text| answer.header("cache-control", text));
        answer.body(document.to_string().into()).unwrap()
    }
}

fn clients(scene: &Scene, reach: Reach) -> Clients {
    let limits = Limits { idle: Duration::from_secs(3600), from_one_address: 1, from_anywhere: 1 };
    let described =
        Described::new(Fetcher::new(reach).unwrap(), [ISSUER, TOKEN], scene.store.clone(), scene.clock());
    Clients::new([], scene.store.clone(), limits, scene.clock()).with_described(described)
}

fn local(scene: &Scene) -> Clients {
    clients(scene, Reach::PublicAndLoopback)
}

async fn refused(clients: &Clients, id: &str) -> Refusal {
    match clients.find(id).await {
        Err(Problem::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_is_whoever_its_address_says() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let clients = local(&scene);
    let client = clients.find(&host.id("client")).await.unwrap().unwrap();
    assert_eq!((client.id, client.name.as_deref()), (host.id("client"), Some("An inspector")));
    assert_eq!(client.redirects.len(), 1);

    host.say(json!({"client_id": host.id("other")}));
    let refusal = refused(&clients, &host.id("impostor")).await;
    assert_eq!(refusal.code(), Code::InvalidClient);
    assert!(refusal.what().contains("letter for letter"), "{}", refusal.what());
}

#[tokio::test]
async fn strangers_do_not_lead_this_server_inside() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let clients = clients(&scene, Reach::Public);
    let port = host.server.address().port();
    for id in [
        host.id("client"),
        format!("https://localhost:{port}/client"),
        format!("https://127.0.0.1:{port}/client"),
        format!("https://127.0.0.1.:{port}/client"),
        format!("https://[::1]:{port}/client"),
        format!("https://0x7f.1:{port}/client"),
        format!("http://localhost:{port}/client"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        assert_eq!(refused(&clients, &id).await.code(), Code::InvalidClient, "{id}");
    }
    assert_eq!(host.server.accepted(), 0, "nobody knocked");
    // Without the means to look there, an address is no client at all.
    let limits = Limits { idle: Duration::from_secs(3600), from_one_address: 1, from_anywhere: 1 };
    let none = Clients::new([], scene.store.clone(), limits, scene.clock());
    assert!(refused(&none, &host.id("client")).await.what().contains("not looked up"));
}

#[tokio::test]
async fn it_is_fetched_once_for_everybody_and_kept_for_as_long_as_it_says() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let (clients, id) = (local(&scene), host.id("client"));
    let all = join_all((0..50).map(|_| clients.find(&id))).await;
    assert!(all.iter().all(|found| matches!(found, Ok(Some(_)))));
    assert_eq!(host.asked(), 1);
    let second = Duration::from_secs(1);
    for (said, kept) in [
        (None, 600),
        (Some("max-age=300"), 300),
        (Some("max-age=0"), 60),
        (Some("no-store"), 60),
        (Some("max-age=31536000"), 86_400),
    ] {
        scene.hands.advance(Duration::from_secs(100_000));
        *host.served.cache_control.lock().unwrap() = said.map(str::to_owned);
        let before = host.asked();
        clients.find(&id).await.unwrap();
        scene.hands.advance(Duration::from_secs(kept) - second);
        clients.find(&id).await.unwrap();
        assert_eq!(host.asked(), before + 1, "{said:?}");
        scene.hands.advance(second);
        clients.find(&id).await.unwrap();
        assert_eq!(host.asked(), before + 2, "{said:?}");
    }
}

#[tokio::test]
async fn whoever_gives_no_document_is_left_alone_for_a_moment() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let (clients, id) = (local(&scene), host.id("client"));
    host.served.status.store(404, Ordering::Relaxed);
    for found in join_all((0..20).map(|_| clients.find(&id))).await {
        assert!(matches!(found, Err(Problem::Refused(refusal)) if refusal.code() == Code::InvalidClient));
    }
    assert_eq!(host.asked(), 1);
    host.served.status.store(200, Ordering::Relaxed);
    scene.hands.advance(Duration::from_secs(10));
    clients.find(&id).await.unwrap();
    assert_eq!(host.asked(), 2);
}

#[tokio::test]
async fn a_host_that_is_down_signs_nobody_out_and_one_that_says_no_does() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let (clients, id) = (local(&scene), host.id("client"));
    clients.find(&id).await.unwrap();
    host.served.status.store(503, Ordering::Relaxed);
    assert_eq!(refused(&clients, &host.id("new")).await.code(), Code::TemporarilyUnavailable);
    scene.hands.advance(Duration::from_secs(3600));
    clients.find(&id).await.unwrap();
    let asked = host.asked();
    clients.find(&id).await.unwrap();
    assert_eq!(host.asked(), asked, "it is not asked each time");
    scene.hands.advance(Duration::from_secs(86_400));
    assert_eq!(refused(&clients, &id).await.code(), Code::TemporarilyUnavailable, "that was yesterday");
    host.served.status.store(200, Ordering::Relaxed);
    scene.hands.advance(Duration::from_secs(60));
    clients.find(&id).await.unwrap();
    host.served.status.store(404, Ordering::Relaxed);
    scene.hands.advance(Duration::from_secs(3600));
    assert_eq!(refused(&clients, &id).await.code(), Code::InvalidClient);
}

#[tokio::test]
async fn a_flood_of_addresses_ends_at_the_door() {
    let (scene, host) = (Scene::new(), Host::start().await);
    let clients = local(&scene);
    clients.find(&host.id("known")).await.unwrap();
    let ids: Vec<String> = (0..50).map(|n| host.id(&format!("client-{n}"))).collect();
    let found = join_all(ids.iter().map(|id| clients.find(id))).await;
    assert_eq!(found.iter().filter(|found| found.is_ok()).count(), 9);
    assert_eq!(host.asked(), 10);
    clients.find(&host.id("known")).await.unwrap();
    scene.hands.advance(Duration::from_secs(60));
    clients.find(&host.id("client-49")).await.unwrap();
}

/// A client that signs, and what it signs for one request.
struct Signer {
    id: String,
    key: SigningKey,
    scene: Scene,
    clients: Clients,
    host: Host,
}

impl Signer {
    async fn start(members: impl FnOnce(&Host, &SigningKey) -> Value) -> Self {
        let (scene, host) = (Scene::new(), Host::start().await);
        let key = SigningKey::generate(Algorithm::ES256, "one");
        *host.served.keys.lock().unwrap() = json!({"keys": [key.public_jwk()]});
        let mut said = json!({"token_endpoint_auth_method": "private_key_jwt"});
        said.as_object_mut().unwrap().extend(members(&host, &key).as_object().unwrap().clone());
        host.say(said);
        Self { id: host.id("client"), key, clients: local(&scene), scene, host }
    }

    fn claims(&self, id: &str) -> Value {
        let now = self.scene.hands.unix();
        json!({"iss": self.id, "sub": self.id, "aud": ISSUER, "jti": id, "iat": now, "exp": now + 60})
    }

    fn signed(&self, claims: &Value) -> String {
        self.key.jwt(&json!({"alg": "ES256", "kid": "one"}), claims)
    }

    async fn shows(&self, evidence: Evidence<'_>) -> Result<Client, String> {
        match self.clients.authenticated(Credentials { id: &self.id, evidence }).await {
            Ok(client) => Ok(client),
            Err(Problem::Refused(refusal)) => Err(refusal.what().to_owned()),
            Err(Problem::Fault(fault)) => panic!("{fault}"),
        }
    }
}

#[tokio::test]
async fn a_client_with_a_key_proves_itself_with_it_and_with_nothing_else() {
    let signer = Signer::start(|_, key| json!({"jwks": {"keys": [key.public_jwk()]}})).await;
    let client = signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("1")))).await.unwrap();
    assert!(client.is_confidential() && matches!(client.proof, Proof::Key(_)));
    let mut to_the_endpoint = signer.claims("2");
    to_the_endpoint["aud"] = json!([TOKEN]);
    signer.shows(Evidence::Assertion(&signer.signed(&to_the_endpoint))).await.unwrap();
    for evidence in
        [Evidence::Nothing, Evidence::Secret("x"), Evidence::Assertion("x"), Evidence::Assertion("")]
    {
        assert!(signer.shows(evidence).await.is_err());
    }
}

#[tokio::test]
async fn an_assertion_is_for_one_use_for_us_and_for_now() {
    let signer = Signer::start(|_, key| json!({"jwks": {"keys": [key.public_jwk()]}})).await;
    let once = signer.signed(&signer.claims("1"));
    signer.shows(Evidence::Assertion(&once)).await.unwrap();
    let said = signer.shows(Evidence::Assertion(&once)).await.unwrap_err();
    assert!(said.contains("used before"), "{said}");
    let now = signer.scene.hands.unix();
    for (name, value, said) in [
        ("iss", json!("https://other.example/client"), "not trusted"),
        ("sub", json!("https://other.example/client"), "`sub`"),
        ("aud", json!("https://other.example/token"), "another audience"),
        ("aud", json!([ISSUER, "https://other.example/token"]), "for others"),
        ("aud", json!(null), "another audience"),
        ("exp", json!(now - 60), "expired"),
        ("exp", json!(now + 3600), "ten minutes"),
        ("exp", json!(null), "time"),
        ("nbf", json!(now + 600), "not valid yet"),
        ("jti", json!(null), "`jti`"),
        ("jti", json!(""), "`jti`"),
    ] {
        let mut claims = signer.claims("2");
        claims[name] = value;
        let told = signer.shows(Evidence::Assertion(&signer.signed(&claims))).await.unwrap_err();
        assert!(told.contains(said), "{name}: {told}");
    }
    signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("2")))).await.unwrap();
}

#[tokio::test]
async fn a_public_key_signs_nothing_and_a_strangers_key_neither() {
    let signer = Signer::start(|_, key| json!({"jwks": {"keys": [key.public_jwk()]}})).await;
    let claims = signer.claims("1");
    let public = signer.key.public_jwk();
    let stranger = SigningKey::generate(Algorithm::ES256, "one");
    let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.to_string().as_bytes());
    let hs256 = jws(&json!({"alg": "HS256", "kid": "one"}), &claims, |message| {
        aws_lc_rs::hmac::sign(&hmac, message).as_ref().to_vec()
    });
    let none = jws(&json!({"alg": "none", "kid": "one"}), &claims, |_| Vec::new());
    let embedded = stranger.jwt(&json!({"alg": "ES256", "jwk": stranger.public_jwk()}), &claims);
    let led =
        stranger.jwt(&json!({"alg": "ES256", "kid": "one", "jku": "https://evil.example/keys"}), &claims);
    let critical =
        signer.key.jwt(&json!({"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": true}), &claims);
    for token in [hs256, none, embedded, led, critical] {
        assert!(signer.shows(Evidence::Assertion(&token)).await.is_err(), "{token}");
    }
}

#[tokio::test]
async fn keys_that_are_elsewhere_may_change() {
    let signer = Signer::start(|host, _| json!({"jwks_uri": host.id("keys")})).await;
    signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("1")))).await.unwrap();
    let asked = signer.host.asked();
    signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("2")))).await.unwrap();
    assert_eq!(signer.host.asked(), asked);

    let next = SigningKey::generate(Algorithm::RS256, "two");
    *signer.host.served.keys.lock().unwrap() = json!({"keys": [next.public_jwk()]});
    let newer = next.jwt(&json!({"alg": "RS256", "kid": "two"}), &signer.claims("3"));
    for _ in 0..5 {
        assert!(signer.shows(Evidence::Assertion(&newer)).await.is_err());
    }
    assert_eq!(signer.host.asked(), asked, "nobody has keys fetched all the time");
    signer.scene.hands.advance(Duration::from_secs(60));
    let newer = next.jwt(&json!({"alg": "RS256", "kid": "two"}), &signer.claims("3"));
    signer.shows(Evidence::Assertion(&newer)).await.unwrap();
    assert!(signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("4")))).await.is_err());
}

#[tokio::test]
async fn keys_are_not_fetched_from_inside_either() {
    for at in ["http://10.0.0.1/keys", "https://10.0.0.1/keys", "file:///etc/passwd", "keys"] {
        let signer = Signer::start(|_, _| json!({"jwks_uri": at})).await;
        let told = signer.shows(Evidence::Assertion(&signer.signed(&signer.claims("1")))).await.unwrap_err();
        assert!(told.contains("jwks_uri"), "{at}: {told}");
    }
}
