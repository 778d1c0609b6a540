use super::*;
use crate::issuer::testing::Scene;
use serde_json::json;

const LIMITS: Limits = Limits { idle: Duration::from_secs(24 * 3600), from_one_address: 3, from_anywhere: 5 };

fn wish(method: &str) -> Wish {
    let redirects = ["https://client.example/callback", "http://127.0.0.1/callback"];
    let document = json!({"redirect_uris": redirects, "token_endpoint_auth_method": method});
    Wish::parse(document.to_string().as_bytes()).unwrap()
}

fn clients(scene: &Scene) -> Clients {
    let own = Client {
        id: "own".into(),
        name: None,
        redirects: vec![Redirect::parse("https://own.example/callback").unwrap()],
        proof: Proof::Secret(Mark::of("word")),
        grants: GrantType::for_people(),
    };
    Clients::new([own], scene.store.clone(), LIMITS, scene.clock())
}

fn code(problem: Problem) -> Code {
    match problem {
        Problem::Refused(refusal) => refusal.code(),
        Problem::Fault(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn a_client_is_who_it_can_prove_to_be() {
    let scene = Scene::new();
    let clients = clients(&scene);
    let (public, none) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
    let (secretive, secret) = clients.register(wish("client_secret_basic"), "192.0.2.1").await.unwrap();
    assert_eq!(none, None);
    let secret = secret.unwrap();
    for (id, shown, good) in [
        ("own", Some("word"), true),
        ("own", Some("wor"), false),
        ("own", None, false),
        (public.id.as_str(), None, true),
        (public.id.as_str(), Some("anything"), false),
        (secretive.id.as_str(), Some(secret.as_str()), true),
        (secretive.id.as_str(), Some("anything"), false),
        (secretive.id.as_str(), None, false),
        ("nobody", None, false),
        ("", None, false),
    ] {
        let evidence = shown.map_or(Evidence::Nothing, Evidence::Secret);
        match clients.authenticated(Credentials { id, evidence }).await {
            Ok(client) => assert!(good && client.id == id, "{id} {shown:?}"),
            Err(problem) => {
                assert_eq!((good, code(problem)), (false, Code::InvalidClient), "{id} {shown:?}");
            }
        }
    }
}

#[tokio::test]
async fn it_is_known_for_as_long_as_it_is_used() {
    let scene = Scene::new();
    let clients = clients(&scene);
    let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
    for _ in 0..3 {
        scene.hands.advance(LIMITS.idle - Duration::from_secs(1));
        assert_eq!(clients.find(&client.id).await.unwrap().as_ref(), Some(&client));
        let version = || async {
            let key = CLIENTS.key(&[&client.id]);
            scene.store.get::<Registered>(&key).await.unwrap().unwrap().version
        };
        let kept = version().await;
        scene.hands.advance(LIMITS.idle / 2);
        clients.find(&client.id).await.unwrap();
        assert_eq!(version().await, kept, "half of its time is left, so nothing is written");
        scene.hands.advance(Duration::from_secs(1));
        clients.find(&client.id).await.unwrap();
        assert_ne!(version().await, kept);
    }
    scene.hands.advance(LIMITS.idle);
    assert_eq!(clients.find(&client.id).await.unwrap(), None);
    let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
    assert!(clients.forget(&client.id).await.unwrap());
    assert_eq!(clients.find(&client.id).await.unwrap(), None);
    assert!(!clients.forget("own").await.unwrap(), "the operator's own stay");
}

#[tokio::test]
async fn a_flood_ends_at_the_door() {
    let scene = Scene::new();
    let clients = clients(&scene);
    for _ in 0..LIMITS.from_one_address {
        clients.register(wish("none"), "192.0.2.1").await.unwrap();
    }
    assert_eq!(code(clients.register(wish("none"), "192.0.2.1").await.unwrap_err()), Code::SlowDown);
    clients.register(wish("none"), "192.0.2.2").await.unwrap();
    clients.register(wish("none"), "192.0.2.3").await.unwrap();
    assert_eq!(code(clients.register(wish("none"), "192.0.2.4").await.unwrap_err()), Code::SlowDown);
    scene.hands.advance(HOUR);
    clients.register(wish("none"), "192.0.2.1").await.unwrap();
}

#[tokio::test]
async fn the_browser_goes_where_the_client_registered_and_nowhere_else() {
    let scene = Scene::new();
    let clients = clients(&scene);
    let (client, _) = clients.register(wish("none"), "192.0.2.1").await.unwrap();
    let goes = |told: &str| client.redirect(Some(told)).map(|redirect| redirect.as_str().to_owned());
    assert_eq!(goes("http://127.0.0.1:51004/callback").unwrap(), "http://127.0.0.1:51004/callback");
    assert_eq!(goes("https://client.example/callback").unwrap(), "https://client.example/callback");
    for told in ["https://evil.example/callback", "https://client.example/callback/", "javascript:x", ""] {
        assert!(goes(told).is_err(), "{told}");
    }
    assert!(client.redirect(None).is_err());
    let own = clients.find("own").await.unwrap().unwrap();
    assert_eq!(own.redirect(None).unwrap().as_str(), "https://own.example/callback");
}
