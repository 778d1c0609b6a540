//! The forms that the layer and its extractors come in, and what each does where nobody is known.

use crate::{
    log::Log,
    service::{EXPIRED, MALFORMED, NO_TOKEN, OUR_FAULT, Service, UNACCEPTABLE, bearer, oauth, whoami},
    world::World,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use bytes::Bytes;
use countersign::{
    BoxError, Error, ServiceBuilderExt,
    extract::MaybeIdentity,
    identity::{TrustIdentityLayer, TrustedIdentity, VerifyIdentityLayer},
    proof::{Authenticated, Carry, Identity, Proves},
    respond::{Answer, Respond},
};
use countersign_fixtures::clock::Clock;
use countersign_tests::client::Answer as Received;
use http::{Extensions, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use std::time::Duration;
use tower::{ServiceBuilder, service_fn};

#[tokio::test]
async fn a_router_that_lets_anybody_in() {
    let world = World::new().await;
    let layer = VerifyIdentityLayer::new(world.verifier(world.issuer())).for_router();
    let stack = ServiceBuilder::new().respond_with(oauth()).layer(layer.dangerous_allow_anonymous());
    let router = Router::new()
        .route("/", get(whoami))
        .route("/proof", get(async |_: Authenticated| "proven"))
        .route("/maybe", get(greet))
        .layer(stack);
    let service = Service::start(router).await;
    let basic = HeaderValue::from_static("Basic YWxpY2U6b3Blbi1zZXNhbWU");

    assert_eq!(service.get("/maybe", &[]).await.text(), "hello");
    assert_eq!(service.get("/maybe", &[basic]).await.text(), "hello");
    let [token] = bearer(&world.alice().token());
    let answer = service.get("/maybe", std::slice::from_ref(&token)).await;
    assert_eq!(answer.text(), "hello alice");

    for path in ["/", "/proof"] {
        NO_TOKEN.assert_is(&service.get(path, &[]).await, path);
        let answer = service.get(path, std::slice::from_ref(&token)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let bad = bearer(&world.alice().audience("https://b.example").token());
    UNACCEPTABLE.assert_is(&service.get("/maybe", &bad).await, "a bad token is not nobody");
    let two = [token.clone(), token];
    MALFORMED.assert_is(&service.get("/maybe", &two).await, "nor are two");
}

#[tokio::test]
async fn extractors_without_a_layer_let_nobody_pass() {
    let world = World::new().await;
    let routes = || {
        Router::new()
            .route("/", get(whoami))
            .route("/proof", get(async |_: Authenticated| "proven"))
            .route("/maybe", get(greet))
    };
    let responding = ServiceBuilder::new().respond_with(oauth());
    for (router, what) in [(routes(), "alone"), (routes().layer(responding), "responding")] {
        let service = Service::start(router).await;
        for path in ["/", "/proof", "/maybe"] {
            let log = Log::record();
            let case = format!("{path}, {what}");
            let answer = service.get(path, &bearer(&world.alice().token())).await;
            OUR_FAULT.assert_is(&answer, &case);
            let id = answer.json()["correlation_id"].as_str().unwrap().to_owned();
            let [line] = &log.lines("refused")[..] else {
                panic!("{case}: one record for one error:\n{}", log.text());
            };
            assert!(line.contains("ERROR") && line.contains(&id), "{line}");
            assert!(line.contains("no layer around this route"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_handlers_error_is_answered_by_the_layer() {
    let world = World::new().await;
    let stack = ServiceBuilder::new()
        .respond_with(oauth())
        .verify_identity_for_router(world.verifier(world.issuer()));
    let router = Router::new().route("/", get(long_winded)).layer(stack).with_state(world.clock.clone());
    let service = Service::start(router).await;
    let log = Log::record();
    EXPIRED.assert_is(&service.ask(&world.alice().token()).await, "expired meanwhile");
    assert_eq!(log.lines("refused").len(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_format_of_ones_own() {
    #[derive(Clone)]
    struct Plainly;

    impl Respond<Body> for Plainly {
        fn respond(&self, answer: &Answer) -> Response<Body> {
            let code = answer.error().unwrap_or("none");
            let text = format!("{code}: {}", answer.sentence());
            (answer.status(), text).into_response()
        }
    }

    let world = World::new().await;
    let stack = ServiceBuilder::new()
        .respond_with(Plainly)
        .verify_identity_for_router(world.verifier(world.issuer()));
    let router = Router::new().route("/", get(long_winded)).layer(stack).with_state(world.clock.clone());
    let service = Service::start(router).await;
    let answer = service.ask_as_nobody().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.text(), "none: sign in to use this service");
    let answer = service.ask(&world.alice().token()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.text(), "invalid_token: the access token expired");
}

#[tokio::test]
async fn an_identity_that_somebody_else_established() {
    let world = World::new().await;
    let trust = TrustIdentityLayer::new(from_session).with_clock(world.our_clock());
    let router = Router::new()
        .route("/", get(whoami))
        .layer(ServiceBuilder::new().respond_with(oauth()).layer(trust.clone().for_router()));
    let typed = ServiceBuilder::new().respond_with(oauth()).layer(trust).service(service_fn(
        async |request: Request<Carry<Authenticated, Body>>| {
            let caller: &Identity = request.body().proof().fact();
            Ok::<_, BoxError>(Response::new(Body::from(caller.subject().to_owned())))
        },
    ));
    let sessions = middleware::from_fn_with_state(world.clock.clone(), open_session);
    let router = Service::start(router.layer(sessions.clone())).await;
    let typed = Service::start(Router::new().fallback_service(typed).layer(sessions)).await;

    let answer = with_cookie(&router, "alice").await;
    assert_eq!(answer.json()["issuer"], "https://sessions.example", "{}", answer.text());
    assert_eq!(answer.json()["subject"], "alice");
    assert_eq!(with_cookie(&typed, "alice").await.text(), "alice");
    for service in [&router, &typed] {
        EXPIRED.assert_is(&with_cookie(service, "late").await, "expired");
        NO_TOKEN.assert_is(&service.ask_as_nobody().await, "no session");
        let token = world.alice().token();
        NO_TOKEN.assert_is(&service.ask(&token).await, "tokens are none of its business");
    }
}

async fn greet(MaybeIdentity(caller): MaybeIdentity) -> String {
    caller.map_or_else(|| "hello".to_owned(), |caller| format!("hello {}", caller.subject()))
}

/// Takes longer than any token lasts, then wants to call a backend.
async fn long_winded(State(clock): State<Clock>, caller: Authenticated) -> Result<&'static str, Error> {
    clock.advance(Duration::from_secs(2 * 3600));
    caller.attach(http::Request::new("a query"))?;
    Ok("sent")
}

/// What another layer leaves behind.
#[derive(Clone)]
struct Session {
    name: String,
    identity_ends: std::time::SystemTime,
}

fn from_session(found: &Extensions) -> Option<TrustedIdentity> {
    let session: &Session = found.get()?;
    let identity = TrustedIdentity::new("https://sessions.example", &session.name);
    Some(identity.with_expiry(session.identity_ends))
}

async fn open_session(State(clock): State<Clock>, mut request: Request, next: Next) -> AxumResponse {
    if let Some(name) = request.headers().get("cookie") {
        let name = name.to_str().unwrap().to_owned();
        let now = clock.now();
        let identity_ends = if name == "late" { now } else { now + Duration::from_secs(60) };
        request.extensions_mut().insert(Session { name, identity_ends });
    }
    next.run(request).await
}

async fn with_cookie(service: &Service, cookie: &str) -> Received {
    let request = http::Request::get(service.url()).header("cookie", cookie);
    service.send(request.body(Full::<Bytes>::default()).unwrap()).await
}
