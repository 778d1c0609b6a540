//! What a person does between a client's request and its answer, at the authorization server.

use crate::{
    harness::{Visit, play},
    scene::Scene,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use url::Url;

const CONSENT: &str = "Let Desk act for you?";

#[tokio::test]
async fn a_person_agrees_and_signs_in() {
    let manners = [
        ("mouse", json!({})),
        ("keyboard", json!({"keyboard": true})),
        ("dark", json!({"browser": {"colorScheme": "dark"}})),
        ("no_scripts", json!({"browser": {"javaScriptEnabled": false}})),
        ("phone", phone("light")),
        ("phone_dark", phone("dark")),
    ];
    let scene = Scene::with_client("Desk").await;
    for (manner, how) in manners {
        let steps = [
            json!({"see": CONSENT}),
            json!({"look": "consent"}),
            json!({"press": "Continue to Example Corp"}),
            json!({"see": "Sign in"}),
            json!({"choose": "Bob"}),
            json!({"press": "Sign in"}),
            json!({"see": "Connect your account at The Wiki, too?"}),
            json!({"look": "offer"}),
            json!({"press": "Not now"}),
            json!({"see": "You are back"}),
        ];
        let visit = walk(&scene, &format!("agree_{manner}"), &scene.authorize(&[]), how, &steps).await;
        let sent = sent_back(&scene, &visit);
        assert_eq!(sent["state"], "remember me", "{manner}");
        assert_eq!(sent["iss"], scene.issuer(""), "{manner}");
        let token = scene.token(&sent["code"]).await;
        assert_eq!(scene.call(&token).await["result"]["resultType"], "input_required", "{manner}");
    }
}

#[tokio::test]
async fn a_person_connects_the_other_account_at_once() {
    let scene = Scene::with_client("Desk").await;
    let steps = [
        json!({"press": "Continue to Example Corp"}),
        json!({"see": "Sign in"}),
        json!({"press": "Sign in"}),
        json!({"see": "Connect your account at The Wiki, too?"}),
        json!({"press": "Connect"}),
        json!({"see": "Sign in"}),
        json!({"press": "Sign in"}),
        json!({"see": "You are back"}),
    ];
    let visit =
        walk(&scene, "agree_and_connect", &scene.authorize(&[]), json!({"keyboard": true}), &steps).await;
    let token = scene.token(&sent_back(&scene, &visit)["code"]).await;
    let answer = scene.call(&token).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[tokio::test]
async fn a_person_says_no() {
    let scene = Scene::with_client("Desk").await;
    let at_the_provider = [
        json!({"press": "Continue to Example Corp"}),
        json!({"see": "Sign in"}),
        json!({"press": "Deny"}),
        json!({"see": "You are back"}),
    ];
    let here = [json!({"see": CONSENT}), json!({"press": "Cancel"}), json!({"see": "You are back"})];
    for (place, how, steps) in [
        ("here", json!({}), &here[..]),
        ("here_by_keyboard", json!({"keyboard": true}), &here),
        ("there", json!({}), &at_the_provider),
    ] {
        let visit = walk(&scene, &format!("refuse_{place}"), &scene.authorize(&[]), how, steps).await;
        let sent = sent_back(&scene, &visit);
        assert_eq!(sent["error"], "access_denied", "{place}: {sent:?}");
        assert_eq!((sent["state"].as_str(), &sent["iss"]), ("remember me", &scene.issuer("")), "{place}");
        assert!(!sent.contains_key("code"), "{place}: {sent:?}");
    }
}

#[tokio::test]
async fn an_account_is_connected_when_a_call_needs_it_and_by_nobody_else() {
    let scene = Scene::with_client("Desk").await;
    let token = signed_in(&scene).await;
    let told = scene.call(&token).await;
    let link = told["result"]["inputRequests"]["connect"]["params"]["url"].as_str();
    let link = link.unwrap_or_else(|| panic!("no link: {told}"));
    assert!(link.starts_with(&scene.issuer("/oauth/connect/wiki?ticket=")), "{link}");
    let connecting = |who: &str| {
        vec![
            json!({"see": "Connect your account at The Wiki?"}),
            json!({"look": "question"}),
            json!({"press": "Continue"}),
            json!({"see": "Sign in"}),
            json!({"choose": who}),
            json!({"press": "Sign in"}),
        ]
    };

    let mut steps = connecting("Bob");
    steps.extend([json!({"see": "This link was made for somebody else"}), json!({"look": "stranger"})]);
    walk(&scene, "connect_as_another", link, json!({}), &steps).await;
    assert_eq!(scene.call(&token).await["result"]["resultType"], "input_required");

    let mut steps = connecting("Alice");
    steps.extend([json!({"see": "Sign in"}), json!({"choose": "Carol"}), json!({"press": "Sign in"})]);
    steps.extend([json!({"see": "Your account at The Wiki is connected"}), json!({"look": "done"})]);
    for (manner, how) in [("keyboard", json!({"keyboard": true})), ("phone", phone("dark"))] {
        walk(&scene, &format!("connect_{manner}"), link, how, &steps).await;
        let answer = scene.call(&token).await;
        assert_eq!(answer["result"]["isError"], false, "{manner}: {answer}");
    }
}

#[tokio::test]
async fn whatever_goes_wrong_is_said_on_a_page() {
    let scene = Scene::with_client("Desk").await;
    let elsewhere = scene.callback().replace("/callback", "/elsewhere");
    let long = "x".repeat(16 * 1024);
    let mistaken = "The application sent you here in a wrong way";
    for (name, url, heading) in [
        ("unknown_client", scene.authorize(&[("client_id", "nobody")]), mistaken),
        ("wrong_redirect", scene.authorize(&[("redirect_uri", &elsewhere)]), mistaken),
        ("wrong_scope", scene.authorize(&[("scope", "everything")]), mistaken),
        ("too_long", scene.authorize(&[("state", &long)]), "This address is too long"),
        ("no_ticket", scene.issuer("/oauth/connect/wiki"), "This link is none of ours, or it is too old"),
        (
            "nobodys_return",
            scene.issuer("/oauth/callback?code=a&state=b"),
            "This sign-in is over, or it began in another browser",
        ),
    ] {
        for (manner, how) in [("desk", json!({})), ("phone", phone("dark"))] {
            let steps = [json!({"see": heading}), json!({"look": "page"})];
            let visit = walk(&scene, &format!("problem_{name}_{manner}"), &url, how, &steps).await;
            assert_eq!(visit.answer["came_to"], url, "{name}: nobody is led anywhere");
        }
    }
    let steps = [
        json!({"see": CONSENT}),
        json!({"keep": "journey"}),
        json!({"press": "Cancel"}),
        json!({"see": "You are back"}),
        json!({"open": scene.authorize(&[])}),
        json!({"see": CONSENT}),
        json!({"put_back": "journey"}),
        json!({"press": "Continue to Example Corp"}),
        json!({"see": "This sign-in is over, or it began in another browser"}),
        json!({"look": "page"}),
    ];
    walk(&scene, "problem_spent", &scene.authorize(&[]), json!({}), &steps).await;
}

#[tokio::test]
async fn whatever_a_client_calls_itself_fits_and_stays_text() {
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    for (which, name) in [("long", long), ("markup", "<h1>Bank</h1><script>x</script>")] {
        let scene = Scene::with_client(name).await;
        let steps = [json!({"see": format!("Let {name} act for you?")}), json!({"look": "consent"})];
        walk(&scene, &format!("name_{which}"), &scene.authorize(&[]), phone("light"), &steps).await;
    }
}

/// Signs alice in, without the other account.
async fn signed_in(scene: &Scene) -> String {
    let steps = [
        json!({"press": "Continue to Example Corp"}),
        json!({"see": "Sign in"}),
        json!({"press": "Sign in"}),
        json!({"see": "Connect your account at The Wiki, too?"}),
        json!({"press": "Not now"}),
        json!({"see": "You are back"}),
    ];
    let visit = walk(scene, "signed_in", &scene.authorize(&[]), json!({}), &steps).await;
    scene.token(&sent_back(scene, &visit)["code"]).await
}

/// Does these steps, and makes sure that pages were sound and asked nobody but us.
async fn walk(scene: &Scene, called: &str, url: &str, mut how: Value, steps: &[Value]) -> Visit {
    how["steps"] = steps.into();
    let visit = play("walk", called, url, &how).await;
    for look in &visit.looks {
        assert_eq!(look.wrong, [""; 0], "{called}: {} at {}", look.name, look.url);
    }
    let looked = steps.iter().filter(|step| step.get("look").is_some()).count();
    assert_eq!(visit.looks.len(), looked, "{called}");
    let refused = "the server responded with a status of 4";
    let complaints: Vec<_> = visit.complaints.iter().filter(|what| !what.contains(refused)).collect();
    assert!(complaints.is_empty(), "{called}: {complaints:?}");
    assert_eq!(visit.strays(), [""; 0], "{called}");
    assert!(visit.origins().is_subset(&scene.ours()), "{called}: {:?}", visit.origins());
    visit
}

/// What the client was told.
fn sent_back(scene: &Scene, visit: &Visit) -> HashMap<String, String> {
    let url = Url::parse(visit.answer["came_to"].as_str().unwrap()).unwrap();
    assert!(url.as_str().starts_with(&scene.callback()), "{url}");
    url.query_pairs().into_owned().collect()
}

fn phone(colours: &str) -> Value {
    let screen = json!({"width": 360, "height": 740});
    json!({"browser": {
        "viewport": screen, "screen": screen, "deviceScaleFactor": 2, "isMobile": true, "hasTouch": true,
        "colorScheme": colours,
    }})
}
