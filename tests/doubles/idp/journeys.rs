//! Sign-in, refresh, exchange: what a relying party lives through when it behaves, and when it does not.

use super::{BACK, CHALLENGE, RESOURCE, VERIFIER, World, check, part, sent_back, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_fixtures::{
    idp::{AuthMethod, Behaviour, Client, Idp},
    keys::Algorithm,
};
use countersign_tests::client::{Answer, encode};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use std::time::Duration;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

#[tokio::test]
async fn alice_signs_in() {
    let world = World::new().await;
    let answer = world.authorize(&[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.header("location").starts_with(BACK));
    assert_eq!(sent_back(&answer, "state").as_deref(), Some("st/ate"));
    assert_eq!(sent_back(&answer, "iss").as_deref(), Some(world.idp.issuer()));

    let answer = world.redeem(&sent_back(&answer, "code").unwrap(), VERIFIER).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.json()["expires_in"], 3600);

    let access = text(&answer, "access_token");
    let claims = world.check(&access, RESOURCE).await.unwrap();
    assert_eq!(part(&access, 0)["typ"], "at+jwt");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], RESOURCE);
    assert_eq!(claims["client_id"], "app");
    assert_eq!(claims["scope"], "openid email");

    let id = world.check(&text(&answer, "id_token"), "app").await.unwrap();
    assert_eq!(id["nonce"], "n-0S6");
    assert_eq!(id["groups"], json!(["admins", "engineering"]));
    assert_eq!(id["at_hash"].as_str().unwrap().len(), 22);

    let person = world.http.fetch_as(&world.idp.url("/userinfo"), &access).await;
    assert_eq!(person.json()["email"], "alice@example.com");
    let nobody = world.http.fetch(&world.idp.url("/userinfo")).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_request_that_is_not_in_order_comes_back_as_an_error() {
    let world = World::new().await;
    for (change, error) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("resource", "/relative"), "invalid_target"),
        (("prompt", "none login"), "invalid_request"),
        (("request_uri", "https://app.example/r"), "request_uri_not_supported"),
    ] {
        let answer = world.authorize(&[change]).await;
        assert_eq!(sent_back(&answer, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(sent_back(&answer, "state").as_deref(), Some("st/ate"));
    }
    for change in [
        ("client_id", "nobody"),
        ("redirect_uri", "http://127.0.0.1:4711/elsewhere"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", ""),
    ] {
        let answer = world.authorize(&[change]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change:?}");
        assert_eq!(answer.header("location"), "", "{change:?}");
    }
}

#[tokio::test]
async fn the_person_follows_the_script() {
    let world = World::new().await;
    world.idp.script(Behaviour::Deny);
    let denied = world.authorize(&[]).await;
    assert_eq!(sent_back(&denied, "error").as_deref(), Some("access_denied"));

    for behaviour in [Behaviour::Page, Behaviour::Never] {
        world.idp.script(behaviour);
        let silent = world.authorize(&[("prompt", "none")]).await;
        assert_eq!(sent_back(&silent, "error").as_deref(), Some("login_required"));
        let page = world.authorize(&[]).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.header("content-type").starts_with("text/html"));
    }
    let clicked = world.http.post_form(&world.authorize_url(&[]), &[("person", "alice")]).await;
    assert_eq!(clicked.status, StatusCode::OK, "whoever never answers does not click");

    let script = json!({"sign_in": "bob"});
    world.http.post_json(&world.idp.url("/_script"), &script).await;
    let answer = world.redeem(&world.code().await, VERIFIER).await;
    assert_eq!(part(&text(&answer, "access_token"), 1)["sub"], "bob");
}

#[tokio::test]
async fn the_page_works_as_a_plain_form() {
    let world = World::new().await;
    world.idp.script(Behaviour::Page);
    let page = world.authorize(&[("login_hint", "bob"), ("scope", "<b>&")]).await.text();
    for who in ["alice", "bob", "carol"] {
        assert!(page.contains(&format!(r#"<label for="person-{who}">"#)), "{page}");
    }
    assert!(page.contains(r#"value="bob" required checked"#), "{page}");
    assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"), "{page}");
    assert!(!page.contains("<script"), "{page}");

    let (_, rest) = page.split_once(r#"action=""#).unwrap();
    let action = world.idp.url(&rest.split_once('"').unwrap().0.replace("&amp;", "&"));
    let choose = |person: &'static str, decision: &'static str| {
        let (http, action) = (world.http.clone(), action.clone());
        async move { http.post_form(&action, &[("person", person), ("decision", decision)]).await }
    };
    let code = sent_back(&choose("carol", "allow").await, "code").unwrap();
    let answer = world.redeem(&code, VERIFIER).await;
    assert_eq!(part(&text(&answer, "access_token"), 1)["sub"], "carol");
    let denied = choose("carol", "deny").await;
    assert_eq!(sent_back(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(choose("mallory", "allow").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_its_minute() {
    let world = World::new().await;
    let code = world.code().await;
    refused(&world.redeem(&code, CHALLENGE).await, "invalid_grant");
    let elsewhere = world
        .token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", &code),
            ("redirect_uri", "http://127.0.0.1:1/callback"),
            ("code_verifier", VERIFIER),
        ])
        .await;
    refused(&elsewhere, "invalid_grant");
    world.idp.clock().advance(Duration::from_secs(61));
    refused(&world.redeem(&code, VERIFIER).await, "invalid_grant");
}

#[tokio::test]
async fn a_replayed_code_revokes_what_it_gave() {
    let world = World::new().await;
    let code = world.code().await;
    let first = world.redeem(&code, VERIFIER).await;
    refused(&world.redeem(&code, VERIFIER).await, "invalid_grant");
    let userinfo = world.idp.url("/userinfo");
    let person = world.http.fetch_as(&userinfo, &text(&first, "access_token")).await;
    assert_eq!(person.status, StatusCode::UNAUTHORIZED);
    refused(&world.refresh(&text(&first, "refresh_token")).await, "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_spent_one_ends_the_family() {
    let world = World::new().await;
    let first = world.redeem(&world.code().await, VERIFIER).await;
    let narrower = world
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", &text(&first, "refresh_token")),
            ("scope", "openid admin"),
        ])
        .await;
    refused(&narrower, "invalid_scope");

    let second = world.refresh(&text(&first, "refresh_token")).await;
    assert_eq!(second.status, StatusCode::OK, "a refused request spends nothing");
    assert_eq!(part(&text(&second, "access_token"), 1)["aud"], RESOURCE);
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));

    refused(&world.refresh(&text(&first, "refresh_token")).await, "invalid_grant");
    refused(&world.refresh(&text(&second, "refresh_token")).await, "invalid_grant");
}

#[tokio::test]
async fn clients_register_themselves_and_see_what_became_of_tokens() {
    let world = World::new().await;
    let wish = json!({
        "redirect_uris": ["https://gateway.example/callback"], "client_name": "Gateway",
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "client_secret_basic",
    });
    let registered = world.http.post_json(&world.idp.url("/register"), &wish).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    let (id, secret) = (text(&registered, "client_id"), text(&registered, "client_secret"));

    let back = ("redirect_uri", "https://gateway.example/callback");
    let code = sent_back(&world.authorize(&[("client_id", &id), back]).await, "code").unwrap();
    let form = [("grant_type", "authorization_code"), ("code", &code), back, ("code_verifier", VERIFIER)];
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let refused_answer = post_as(&world, "/token", &basic("wrong"), &form).await;
    refused(&refused_answer, "invalid_client");
    assert_eq!(refused_answer.status, StatusCode::UNAUTHORIZED);
    let tokens = post_as(&world, "/token", &basic(&secret), &form).await;

    for (kind, path) in [("access_token", "/revoke"), ("refresh_token", "/revoke")] {
        let form = [("token", &*text(&tokens, kind))];
        let before = post_as(&world, "/introspect", &basic(&secret), &form).await.json();
        assert_eq!(before["active"], true, "{kind}");
        assert_eq!(before["sub"], "alice");
        let by_another = world.http.post_form(&world.idp.url(path), &[("client_id", "app"), form[0]]).await;
        refused(&by_another, "unauthorized_client");
        let revoked = post_as(&world, path, &basic(&secret), &form).await;
        assert_eq!(revoked.status, StatusCode::OK);
        let after = post_as(&world, "/introspect", &basic(&secret), &form).await.json();
        assert_eq!(after, json!({"active": false}), "{kind}");
    }
    let public =
        world.http.post_form(&world.idp.url("/introspect"), &[("client_id", "app"), ("token", "x")]).await;
    refused(&public, "invalid_client");
}

#[tokio::test]
async fn a_token_is_exchanged_for_one_that_names_the_actor() {
    let world = World::new().await;
    world.idp.register(Client::confidential("gateway", "hush", AuthMethod::ClientSecretPost));
    let subject = world.idp.mint("alice").claim("scope", "read write").expires_in(600).token();
    let actor = world.idp.mint("gateway").token();
    let form = |subject: &str, scope: &str| {
        encode(&[
            ("grant_type", EXCHANGE),
            ("client_id", "gateway"),
            ("client_secret", "hush"),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", &actor),
            ("actor_token_type", ACCESS_TOKEN),
            ("audience", "billing"),
            ("resource", "https://billing.example/"),
            ("scope", scope),
        ])
    };
    let exchange = |form: String| async { post(&world, "/token", form).await };

    let answer = exchange(form(&subject, "read")).await;
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    assert!(answer.json()["expires_in"].as_i64().unwrap() <= 600);
    let claims = world.check(&text(&answer, "access_token"), "billing").await.unwrap();
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], json!(["billing", "https://billing.example/"]));
    assert_eq!(claims["scope"], "read");
    assert_eq!(claims["act"], json!({"sub": "gateway"}));
    assert_eq!(claims["groups"], json!(["admins", "engineering"]));

    refused(&exchange(form(&subject, "admin")).await, "invalid_scope");
    let foreign = Idp::start(world.idp.clock().clone()).await.mint("alice").token();
    refused(&exchange(form(&foreign, "read")).await, "invalid_request");
    let no_other = world.idp.mint("alice").claim("may_act", json!({"sub": "other"})).token();
    refused(&exchange(form(&no_other, "read")).await, "invalid_request");
}

#[tokio::test]
async fn an_id_jag_crosses_from_one_provider_to_another() {
    let (here, there) = (World::new().await, World::new().await);
    here.idp.sign_with(Algorithm::ES256);
    there.idp.trust(&here.idp);
    let signed_in = here.redeem(&here.code().await, VERIFIER).await;
    let asserted = here
        .token(&[
            ("grant_type", EXCHANGE),
            ("client_id", "app"),
            ("subject_token", &text(&signed_in, "id_token")),
            ("subject_token_type", ID_TOKEN),
            ("requested_token_type", ID_JAG),
            ("audience", there.idp.issuer()),
            ("resource", RESOURCE),
            ("scope", "chat.read"),
        ])
        .await;
    assert_eq!(asserted.json()["issued_token_type"], ID_JAG);
    assert_eq!(asserted.json()["token_type"], "N_A");
    let assertion = text(&asserted, "access_token");
    assert_eq!(part(&assertion, 0)["typ"], "oauth-id-jag+jwt");
    check(&here.published().await, here.idp.issuer(), &assertion, there.idp.issuer()).unwrap();

    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "app"),
        ("assertion", assertion.as_str()),
    ];
    refused(&here.token(&form).await, "invalid_grant");
    let answer = there.token(&form).await;
    let claims = there.check(&text(&answer, "access_token"), RESOURCE).await.unwrap();
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["scope"], "chat.read");
    assert_eq!(answer.json().get("refresh_token"), None);
    refused(&there.token(&form).await, "invalid_grant");
}

fn refused(answer: &Answer, error: &str) {
    assert!(answer.status.is_client_error(), "{}", answer.text());
    assert_eq!(answer.json()["error"], error, "{}", answer.text());
    let description = &answer.json()["error_description"];
    assert!(description.as_str().is_some_and(|text| !text.is_empty()), "{description}");
}

async fn post(world: &World, path: &str, form: String) -> Answer {
    send(world, Request::post(world.idp.url(path)), form).await
}

async fn post_as(world: &World, path: &str, authorization: &str, form: &[(&str, &str)]) -> Answer {
    let request = Request::post(world.idp.url(path)).header("authorization", authorization);
    send(world, request, encode(form)).await
}

async fn send(world: &World, request: http::request::Builder, form: String) -> Answer {
    let request = request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(form.into()))
        .unwrap();
    world.http.send(request).await.unwrap()
}
