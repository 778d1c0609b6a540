//! A backend that does not accept credentials any more.

use super::*;
use bytes::Bytes;
use countersign::{sign::SigningTarget, sts::RenewCredentialsLayer, transmit::Transmit};
use countersign_fixtures::world::SERVICE;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

type Backend =
    BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Response<hyper::body::Incoming>, BoxError>;

fn backend(scene: &Scene) -> Backend {
    let cache = scene.cache(scene.sts().build().unwrap());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (service, region) = SERVICE;
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(RenewCredentialsLayer::new())
            .select_role(roles(world::USER))
            .assume_role(&cache, Session::default())
            .sign_request(SigningTarget::new(service, region).unwrap())
            .service(Transmit::new(client)),
    )
}

async fn call(scene: &Scene, backend: &Backend, caller: &Authenticated) -> StatusCode {
    let request = Request::get(format!("{}/thing", scene.world.oracle.url())).body(Full::default()).unwrap();
    backend.clone().oneshot(caller.attach(request).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn revoked_credentials_are_replaced_and_the_call_made_once_more() {
    let scene = Scene::new().await;
    let backend = backend(&scene);
    let alice = caller(&scene.token("alice")).await;
    assert_eq!(call(&scene, &backend, &alice).await, StatusCode::OK);
    assert_eq!(scene.calls(EXCHANGE), 1);

    // Somebody revokes the session.
    scene.world.sts.book().forget(&scene.last_call().issued.unwrap());
    scene.clock.advance(10 * SECOND);
    assert_eq!(call(&scene, &backend, &alice).await, StatusCode::OK);
    assert_eq!((scene.calls(EXCHANGE), scene.world.oracle.oracle().seen().len()), (2, 3));

    // New ones that are not accepted either are not asked for again and again.
    scene.world.sts.book().forget(&scene.last_call().issued.unwrap());
    for _ in 0..5 {
        assert_eq!(call(&scene, &backend, &alice).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(scene.calls(EXCHANGE), 2);
    scene.clock.advance(5 * SECOND);
    assert_eq!(call(&scene, &backend, &alice).await, StatusCode::OK);
}
