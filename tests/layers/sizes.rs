//! What a call costs in memory while it waits: futures have names and sizes, and none is on the heap by itself.

use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    identity::{Issuer, Verifier, VerifyIdentity},
    outgoing::Payload,
    proof::{Attached, Authenticated, Carry},
    role::Roles,
    sign::SigningTarget,
    sts::{CredentialCache, Session, StaticKeys, Sts},
    transmit::Transmit,
};
use countersign_fixtures::{
    clock::Clock,
    world::{ADMIN, STS_AUDIENCE, World},
};
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::any::type_name_of_val;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Call = Request<Carry<Attached, Full<Bytes>>>;

#[tokio::test]
async fn the_whole_outbound_stack_fits_into_a_kilobyte() {
    let world = World::start(Clock::default()).await;
    let caller = alice(&world).await;
    let sts = Sts::builder("us-east-1").with_endpoint(world.sts.url()).build().unwrap();
    let roles = Roles::builder().with_fallback(ADMIN.parse().unwrap()).build().unwrap();
    let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
    let mut stack = ServiceBuilder::new()
        .select_role(roles)
        .assume_role(&CredentialCache::new(sts), Session::default())
        .sign_request(SigningTarget::new("execute-api", "us-east-1").unwrap())
        .service(Transmit::new(client));

    let future =
        ServiceExt::<Call>::ready(&mut stack).await.unwrap().call(attached(&caller, &world.oracle.url()));
    let (name, size) = (type_name_of_val(&future), size_of_val(&future));
    println!("{size} bytes: {name}");
    let ours = name.split('<').filter(|part| part.contains("countersign")).count();
    assert!(ours >= 4 && !name.contains("Box<dyn"), "{name}");
    assert!(size <= 1024, "{size} bytes: {name}");
    assert_eq!(future.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_signature_alone_fits_into_one() {
    let world = World::start(Clock::default()).await;
    let caller = alice(&world).await;
    let keys = StaticKeys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
    let target = SigningTarget::new("execute-api", "us-east-1").unwrap();
    let answers = Transmit::dangerous_over(service_fn(|_: Request<Payload<Full<Bytes>>>| {
        std::future::ready(Ok::<_, BoxError>(Response::new(())))
    }));
    let mut signed = ServiceBuilder::new().service_credentials(keys).sign_request(target).service(answers);
    let future =
        ServiceExt::<Call>::ready(&mut signed).await.unwrap().call(attached(&caller, "https://example.com/"));
    assert!(size_of_val(&future) <= 1024, "{} bytes", size_of_val(&future));
}

async fn alice(world: &World) -> Authenticated {
    let verifier = Verifier::builder().trust(Issuer::new(world.idp.issuer(), STS_AUDIENCE)).build().unwrap();
    let caught = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().proof().clone())
    });
    let token = world.idp.mint("alice").audience(STS_AUDIENCE).token();
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
    VerifyIdentity::new(caught, verifier).oneshot(request).await.unwrap()
}

fn attached(caller: &Authenticated, url: &str) -> Call {
    caller.attach(Request::get(url).body(Full::default()).unwrap()).unwrap()
}
