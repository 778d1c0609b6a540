//! An issuer whose certificate a company signed itself.

use crate::{
    log::Log,
    service::{Service, UNACCEPTABLE, UNAVAILABLE_NOW},
    tls::{Authority, Bound, Front, Validity},
    world::{AUDIENCE, JWKS, OPENID, SECOND, World},
};
use axum::{Json, Router, routing::get};
use countersign::identity::{Introspection, Issuer, LocalKeys};
use countersign_fixtures::{
    http::Server,
    idp::{AuthMethod, Client},
};
use countersign_tests::client::Plain;
use http::StatusCode;
use serde_json::json;
use std::net::SocketAddr;

const LOOPBACK: &str = "127.0.0.1";
const LOCALHOST: &str = "localhost";
const ELSEWHERE: &str = "login.example.com";
const INTROSPECT: &str = "/introspect";

#[tokio::test]
async fn an_authority_of_ones_own_is_believed() {
    let world = World::new().await;
    let (ours, theirs) = (Authority::named("Ours"), Authority::named("Theirs"));
    let alone = ours.pem();
    let among_others = format!("Theirs\n======\n{}\nOurs\n====\n{}", theirs.pem(), ours.pem());
    let direct = |host| ours.certify(host, Validity::Now);
    for (case, host, certificate, bundle, protocol) in [
        ("an address", LOOPBACK, direct(LOOPBACK), &alone, None),
        ("a name", LOCALHOST, direct(LOCALHOST), &alone, None),
        ("among other authorities", LOOPBACK, direct(LOOPBACK), &among_others, None),
        ("an authority between", LOOPBACK, ours.certify_through("Team", LOOPBACK), &alone, None),
        ("HTTP/1.1", LOOPBACK, direct(LOOPBACK), &alone, Some("http/1.1")),
        ("HTTP/2", LOOPBACK, direct(LOOPBACK), &alone, Some("h2")),
    ] {
        let front = Front::before(idp(&world), certificate).await;
        protocol.into_iter().for_each(|protocol| front.insist_on(protocol));
        let issuer = world.issuer().with_jwks_url(front.url(host, JWKS)).with_authorities(bundle.as_str());
        let fetched = world.idp.hits(JWKS);
        let service = Service::guarded_by(world.verifier(issuer)).await;
        let answer = service.ask(&world.alice().token()).await;
        assert_eq!(answer.status, StatusCode::OK, "{case}: {}", answer.text());
        assert_eq!(world.idp.hits(JWKS), fetched + 1, "{case}");
    }
}

#[tokio::test]
async fn whoever_shows_another_certificate_is_told_and_believed_nothing() {
    let world = World::new().await;
    let (ours, theirs) = (Authority::named("Ours"), Authority::named("Theirs"));
    let namesake = Authority::named("Ours");
    let good = || ours.certify(LOOPBACK, Validity::Now);
    for (case, certificate, bundle, cause) in [
        ("the system's authorities", good(), None, "UnknownIssuer"),
        ("another authority", good(), Some(theirs.pem()), "UnknownIssuer"),
        ("another authority of that name", good(), Some(namesake.pem()), "BadSignature"),
        ("another name", ours.certify(ELSEWHERE, Validity::Now), Some(ours.pem()), "not valid for name"),
        ("expired", ours.certify(LOOPBACK, Validity::Past), Some(ours.pem()), "certificate expired"),
        ("not yet valid", ours.certify(LOOPBACK, Validity::Future), Some(ours.pem()), "not valid yet"),
    ] {
        let log = Log::record();
        let front = Front::before(idp(&world), certificate).await;
        let jwks = front.url(LOOPBACK, JWKS);
        let issuer = trusting(world.issuer().with_jwks_url(&jwks), bundle.as_deref());
        let service = Service::guarded_by(world.verifier(issuer)).await;
        let token = world.alice().token();
        UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, case);

        let lines = log.lines("the issuer's keys cannot be fetched");
        let told = lines.iter().any(|line| {
            [" WARN ", world.idp.issuer(), &jwks, "certificate", cause].iter().all(|part| line.contains(part))
        });
        assert!(told, "{case}: {lines:#?}");
        assert!(!log.text().contains(&token), "{case}");
    }
    assert_eq!(world.idp.connections(), 0);
}

#[tokio::test]
async fn a_renewed_certificate_needs_no_restart() {
    let world = World::new().await;
    let ours = Authority::named("Ours");
    let front = Front::before(idp(&world), ours.certify(LOOPBACK, Validity::Past)).await;
    let issuer = world.issuer().with_jwks_url(front.url(LOOPBACK, JWKS)).with_authorities(ours.pem());
    let service = Service::guarded_by(world.verifier(issuer)).await;
    let token = world.alice().token();
    UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, "expired");

    front.show(ours.certify(LOOPBACK, Validity::Now));
    world.clock.advance(SECOND);
    let answer = service.ask(&token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn discovery_is_asked_behind_it_too() {
    let world = World::new().await;
    let ours = Authority::named("Ours");
    for host in [LOOPBACK, LOCALHOST] {
        let front = Bound::new().await;
        let name = front.url(host, "");
        let document = json!({"issuer": name, "jwks_uri": front.url(host, JWKS)});
        let keys = Plain::default().fetch(&world.idp.jwks_uri()).await.json();
        let router = Router::new()
            .route(OPENID, get(Json(document.clone())))
            .route("/elsewhere", get(Json(document)))
            .route(JWKS, get(Json(keys)));
        let server = Server::start(router).await;
        let front = front.serve(server.address(), ours.certify(host, Validity::Now));

        let found = || Issuer::new(&name, AUDIENCE);
        let named = || found().with_discovery_url(front.url(host, "/elsewhere"));
        let token = world.alice().claim("iss", name.as_str()).token();
        for (case, issuer) in [("in a well-known place", found()), ("where we are told", named())] {
            let service = Service::guarded_by(world.verifier(issuer.with_authorities(ours.pem()))).await;
            let answer = service.ask(&token).await;
            assert_eq!(answer.status, StatusCode::OK, "{host}, {case}: {}", answer.text());
            assert_eq!(answer.json()["issuer"], name, "{host}, {case}");
        }
        let before = server.accepted();
        for issuer in [found(), named()] {
            let log = Log::record();
            let service = Service::guarded_by(world.verifier(issuer)).await;
            UNAVAILABLE_NOW.assert_is(&service.ask(&token).await, host);
            let lines = log.lines("invalid peer certificate: UnknownIssuer");
            assert!(lines.iter().any(|line| line.contains(&front.url(host, "/"))), "{lines:#?}");
        }
        assert_eq!(server.accepted(), before, "{host}");
    }
}

#[tokio::test]
async fn our_secret_is_shown_to_nobody_else() {
    let world = World::new().await;
    let (ours, theirs) = (Authority::named("Ours"), Authority::named("Theirs"));
    world.idp.register(Client::confidential("gateway", "hush", AuthMethod::ClientSecretBasic));
    let front = Front::before(idp(&world), ours.certify(LOOPBACK, Validity::Now)).await;
    let asking = |authority: &Authority| {
        let introspection = Introspection::new(front.url(LOOPBACK, INTROSPECT), "gateway", "hush".into());
        let issuer = world.issuer().with_introspection(introspection).with_authorities(authority.pem());
        Service::guarded_by(world.verifier(issuer))
    };
    let log = Log::record();
    UNAVAILABLE_NOW.assert_is(&asking(&theirs).await.ask("opaque").await, "another authority");
    assert_eq!(world.idp.connections(), 0);
    assert!(!log.lines("invalid peer certificate: UnknownIssuer").is_empty(), "{}", log.text());
    // The issuer was asked and knows no such token.
    UNACCEPTABLE.assert_is(&asking(&ours).await.ask("opaque").await, "our authority");
    assert_eq!(world.idp.hits(INTROSPECT), 1);
}

#[tokio::test]
async fn a_bundle_that_is_none_is_refused_at_once() {
    let world = World::new().await;
    let good = Authority::named("Ours").pem();
    let without_end = good.replace("-----END CERTIFICATE-----", "");
    let not_base64 = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n".to_owned();
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let keys = LocalKeys::parse(r#"{"keys": []}"#).unwrap();
    let none = ("the CA bundle holds no certificate", "it has to be PEM, ");
    let no_pem = |what| (what, none.1);
    for (bundle, (what, hint)) in [
        (String::new(), none),
        ("/etc/ssl/corp.pem".to_owned(), none),
        (key, none),
        (without_end.clone(), no_pem("certificate 1 of the CA bundle is no PEM")),
        (not_base64, no_pem("certificate 1 of the CA bundle is no PEM")),
        (format!("{good}{without_end}"), no_pem("certificate 2 of the CA bundle is no PEM")),
        (
            format!("{good}{no_certificate}"),
            ("certificate 2 of the CA bundle cannot be read (", "get it from its authority anew"),
        ),
    ] {
        let issuer = || world.issuer().with_authorities(bundle.as_str());
        let jwks = world.idp.jwks_uri();
        for issuer in [issuer(), issuer().with_jwks_url(jwks), issuer().with_keys(keys.clone())] {
            let error = world.builder().trust(issuer).build().unwrap_err();
            let [only] = error.problems() else { panic!("{error}") };
            let place = format!("issuer {:?}: ", world.idp.issuer());
            assert!(only.starts_with(&format!("{place}{what}")), "{only}");
            assert!(only.contains(&format!("; {hint}")), "{only}");
        }
    }
    let all_wrong = world.issuer().with_jwks_url("http://login.example.com/keys").with_authorities("");
    let error = world.builder().trust(all_wrong).build().unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
}

fn trusting(issuer: Issuer, bundle: Option<&str>) -> Issuer {
    match bundle {
        Some(pem) => issuer.with_authorities(pem),
        None => issuer,
    }
}

fn idp(world: &World) -> SocketAddr {
    world.idp.issuer().trim_start_matches("http://").parse().unwrap()
}
