use super::*;
use axum::{Router, body::Body, http::HeaderMap, routing::get};
use countersign_fixtures::http::Server;
use futures_util::{future, stream};
use rustls::{RootCertStore, crypto::aws_lc_rs};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tower::service_fn;

const LOCAL: Reach = Reach::PublicAndLoopback;

/// Resolves every name to what `say` says the first, the second, the third time.
fn resolving(
    reach: Reach,
    say: impl Fn(usize) -> Vec<SocketAddr> + Clone + Send + Sync + 'static,
) -> Fetcher<impl Resolves> {
    let asked = Arc::new(AtomicUsize::new(0));
    let resolver = service_fn(move |_: Name| {
        let found = say(asked.fetch_add(1, Ordering::Relaxed));
        future::ready(Ok::<_, Infallible>(found.into_iter()))
    });
    Fetcher::resolving(resolver, reach, trusting_nobody())
}

fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn local() -> Fetcher {
    Fetcher::resolving(GaiResolver::new(), LOCAL, trusting_nobody())
}

/// A server that answers everything with `{}` and these headers.
async fn serving(headers: &'static [(&'static str, &'static str)]) -> Server {
    Server::start(Router::new().fallback(async move || {
        let mut answer = Response::new(Body::from("{}"));
        answer.headers_mut().extend(headers.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), value.parse::<header::HeaderValue>().unwrap())
        }));
        answer
    }))
    .await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_name_that_leads_inside_is_not_dialled_however_often_it_changes() {
    let inside = serving(&[JSON]).await;
    let address = inside.address();
    let public: SocketAddr = "192.0.2.1:9".parse().unwrap();
    let ways: [Arc<dyn Fn(usize) -> Vec<SocketAddr> + Send + Sync>; 3] = [
        Arc::new(move |_| vec![address]),
        // For a check of the name beforehand it would have been somebody else's.
        Arc::new(move |turn| if turn == 0 { vec![public] } else { vec![address] }),
        Arc::new(move |_| vec![public, address]),
    ];
    for say in ways {
        let fetcher = resolving(Reach::Public, move |turn| say(turn));
        for _ in 0..3 {
            for scheme in ["http", "https"] {
                let refused = fetcher.fetch(&format!("{scheme}://client.example/client")).await;
                assert_eq!(refused, Err(Unfetched::OutOfReach));
            }
        }
    }
    assert_eq!(inside.accepted(), 0, "nobody knocked");
}

#[tokio::test]
async fn an_address_that_stands_for_itself_is_judged_too() {
    let inside = serving(&[JSON]).await;
    let port = inside.address().port();
    let fetcher = resolving(Reach::Public, |_| panic!("no name has to be resolved"));
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0"] {
        let refused = fetcher.fetch(&format!("http://{host}:{port}/client")).await;
        assert_eq!(refused, Err(Unfetched::OutOfReach), "{host}");
    }
    assert_eq!(inside.accepted(), 0);
    // What a resolver of the system makes of these is judged as well.
    let system = Fetcher::resolving(GaiResolver::new(), Reach::Public, trusting_nobody());
    for host in ["localhost", "0x7f.1", "2130706433", "127.1"] {
        assert!(system.fetch(&format!("http://{host}:{port}/client")).await.is_err(), "{host}");
    }
    assert_eq!(inside.accepted(), 0);
}

#[tokio::test]
async fn addresses_inside_are_left_out_where_there_are_others() {
    let server = serving(&[JSON]).await;
    let (address, inside) = (server.address(), "10.0.0.1:9".parse().unwrap());
    let fetcher = resolving(LOCAL, move |_| vec![inside, address]);
    fetcher.fetch("http://client.example/client").await.unwrap();
    assert_eq!(
        resolving(LOCAL, |_| Vec::new()).fetch("http://a.example/").await,
        Err(Unfetched::Unreachable)
    );
}

#[tokio::test]
async fn no_connection_is_used_twice() {
    let server = serving(&[JSON]).await;
    let fetcher = local();
    for _ in 0..3 {
        fetcher.fetch(&server.url()).await.unwrap();
    }
    assert_eq!(server.accepted(), 3);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let inside = serving(&[JSON]).await;
    let to = inside.url();
    let statuses = [301, 302, 303, 307, 308];
    let mut router = Router::new();
    for status in statuses {
        let to = to.clone();
        let answer = get(async move || {
            Response::builder().status(status).header("location", to).body(Body::empty()).unwrap()
        });
        router = router.route(&format!("/{status}"), answer);
    }
    let server = Server::start(router).await;
    for status in statuses {
        let refused = local().fetch(&format!("{}/{status}", server.url())).await;
        assert_eq!(refused, Err(Unfetched::Redirected), "{status}");
    }
    assert_eq!(inside.accepted(), 0);
}

#[tokio::test]
async fn what_is_no_short_json_is_refused() {
    let body = |length: usize| get(async move || ([JSON], "x".repeat(length)));
    let endless = get(async || {
        let chunks = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1024])));
        ([JSON], Body::from_stream(chunks))
    });
    let answer = |status: u16| get(async move || (StatusCode::from_u16(status).unwrap(), [JSON], "{}"));
    let header = |name: &'static str, value: &'static str| {
        get(async move || {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", "application/json".parse().unwrap());
            headers.insert(name, value.parse().unwrap());
            (headers, "{}")
        })
    };
    let server = Server::start(
        Router::new()
            .route("/most", body(LARGEST))
            .route("/more", body(LARGEST + 1))
            .route("/endless", endless)
            .route("/204", answer(204))
            .route("/206", answer(206))
            .route("/404", answer(404))
            .route("/503", answer(503))
            .route("/html", header("content-type", "text/html"))
            .route("/text", header("content-type", "text/plain; charset=application/json"))
            .route("/special", header("content-type", "Application/Client-Metadata+JSON; charset=utf-8"))
            .route("/gzip", header("content-encoding", "gzip")),
    )
    .await;
    let status = |status: u16| Some(Unfetched::Status(StatusCode::from_u16(status).unwrap()));
    for (path, refused) in [
        ("/most", None),
        ("/more", Some(Unfetched::TooLarge)),
        ("/endless", Some(Unfetched::TooLarge)),
        ("/204", status(204)),
        ("/206", status(206)),
        ("/404", status(404)),
        ("/503", status(503)),
        ("/html", Some(Unfetched::NotJson)),
        ("/text", Some(Unfetched::NotJson)),
        ("/special", None),
        ("/gzip", Some(Unfetched::NotJson)),
    ] {
        let fetched = local().fetch(&format!("{}{path}", server.url())).await;
        assert_eq!(fetched.err(), refused, "{path}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_for_long() {
    let never = Router::new().route("/silent", get(async || future::pending::<()>().await)).route(
        "/half",
        get(async || ([JSON], Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()))),
    );
    let server = Server::start(never).await;
    for path in ["/silent", "/half"] {
        let fetcher = Fetcher { patience: Duration::from_millis(50), ..local() };
        let late = fetcher.fetch(&format!("{}{path}", server.url())).await;
        assert_eq!(late, Err(Unfetched::TooLate), "{path}");
    }
}

#[tokio::test]
async fn how_long_it_may_be_kept_is_what_its_server_says_of_caches_that_many_share() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let rows: [(&[_], _); 9] = [
        (&[JSON], None),
        (&[JSON, ("cache-control", "max-age=300")], seconds(300)),
        (&[JSON, ("cache-control", "public, Max-Age=\"300\"")], seconds(300)),
        (&[JSON, ("cache-control", "max-age=300, s-maxage=600")], seconds(600)),
        (&[JSON, ("cache-control", "max-age=300"), ("age", "100")], seconds(200)),
        (&[JSON, ("cache-control", "max-age=300"), ("age", "400")], seconds(0)),
        (&[JSON, ("cache-control", "max-age=300, no-store")], seconds(0)),
        (&[JSON, ("cache-control", "private, max-age=300")], seconds(0)),
        (&[JSON, ("cache-control", "max-age=soon")], None),
    ];
    for (headers, kept) in rows {
        let server = serving(headers).await;
        let fetched = local().fetch(&server.url()).await.unwrap();
        assert_eq!(fetched.fresh, kept, "{headers:?}");
    }
}
