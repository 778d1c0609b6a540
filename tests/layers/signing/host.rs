//! A proxy on the way that names another host, which is the one to sign.

use super::{Scene, plain};
use bytes::Bytes;
use countersign::{
    clock::Clock as _,
    outgoing::Payload,
    sign::{Keys, SignedPayload, Signer},
    sts::ServiceCredentialsLayer,
    transmit::Transmit,
};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const BEHIND: &str = "abc.execute-api.eu-west-1.amazonaws.com";

#[tokio::test]
async fn the_host_behind_a_proxy_is_signed_and_the_proxys_is_sent() {
    for (service, note) in [("execute-api", "plain"), ("execute-api", "two  spaces"), ("s3", "plain")] {
        for proxy in [BEHIND, "elsewhere.example"] {
            let scene = Scene::at(service).await;
            let client: Client<_, Payload<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
            let hosts = Arc::new(Mutex::new(Vec::new()));
            let send = service_fn({
                let hosts = hosts.clone();
                move |mut request: Request<Payload<Full<Bytes>>>| {
                    hosts.lock().unwrap().extend(request.headers().get(HOST).cloned());
                    request.headers_mut().insert(HOST, HeaderValue::from_static(proxy));
                    client.request(request)
                }
            });
            let layer = scene.layer().with_signed_host(&BEHIND.parse().unwrap());
            let stack = ServiceBuilder::new()
                .map_response(|response: Response<hyper::body::Incoming>| response.status())
                .layer(ServiceCredentialsLayer::new(scene.keys()))
                .layer(layer)
                .service(Transmit::dangerous_over(send));
            let mut request = scene.post("/a?b=c", Full::from("{}"));
            request.headers_mut().insert("x-amz-meta-note", HeaderValue::from_static(note));
            let status = stack.oneshot(plain(request)).await.unwrap();
            let expected = if proxy == BEHIND { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{service} {note:?} by {proxy}");
            let hosts: Vec<HeaderValue> = hosts.lock().unwrap().clone();
            assert!(hosts.is_empty(), "the address says where it goes, and {hosts:?} besides");
        }
    }
}

#[tokio::test]
async fn a_presigned_address_may_go_through_one_too() {
    let scene = Scene::at("execute-api").await;
    let signer = Signer::new(scene.target.clone()).with_signed_host(&BEHIND.parse().unwrap());
    let token = scene.credentials.session_token.clone().unwrap();
    let secret = scene.credentials.secret_access_key.clone();
    let keys = Keys::of_session(&scene.credentials.access_key_id, secret.into(), token.into());
    let request = Request::get(format!("{}/a", scene.server.url())).body(()).unwrap();
    let now = crate::world::Shared(scene.clock.clone()).now();
    let minute = Duration::from_secs(60);
    let address: Uri = signer.presign(&request, SignedPayload::Bytes(b""), &keys, now, minute).unwrap();
    assert_eq!(address.authority(), request.uri().authority());

    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    for (host, expected) in [(Some(BEHIND), StatusCode::OK), (None, StatusCode::FORBIDDEN)] {
        let mut request = Request::get(address.clone()).body(Full::default()).unwrap();
        request.headers_mut().extend(host.map(|host| (HOST, HeaderValue::from_static(host))));
        assert_eq!(client.request(request).await.unwrap().status(), expected, "{host:?}");
    }
}
