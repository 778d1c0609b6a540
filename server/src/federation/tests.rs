//! Providers that do not describe themselves, and how often they are asked.

use super::{Error, Kind, Upstream, Upstreams};
use crate::config;
use countersign::clock::Clock;
use countersign_fixtures::{clock, fault::Fault, idp::Idp};
use futures_util::future::join_all;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

#[derive(Debug)]
struct Hands(clock::Clock);

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// The upstream that a provider is, and what moves its time.
async fn scene() -> (Idp, Upstreams, clock::Clock) {
    let hands = clock::Clock::default();
    let idp = Idp::start(hands.clone()).await;
    let text = format!(
        "public_url: https://mcp.example.com\n\
         store: {{memory: true}}\n\
         backends: {{it: {{url: 'https://backend.example/mcp', auth: none}}}}\n\
         authorization_server: {{upstreams: [{{name: corp, oidc: {{issuer: '{}', client_id: gateway, \
         client_authentication: none}}}}]}}\n",
        idp.issuer()
    );
    let (gateway, _) = config::parse("gateway.yaml", &text).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Hands(hands.clone()));
    let upstreams = Upstreams::new(gateway.authorization_server.unwrap().upstreams, &[], &clock);
    (idp, upstreams, hands)
}

async fn depart(upstreams: &Upstreams) -> Result<(), Error> {
    let corp: &Upstream = upstreams.nth(0).unwrap();
    corp.depart("https://mcp.example.com/oauth/callback", "state").await.map(|_| ())
}

#[tokio::test]
async fn one_that_was_never_described_is_asked_once_for_everybody_who_waits() {
    let (idp, upstreams, hands) = scene().await;
    idp.faults().add(WELL_KNOWN, Fault::Slow(60_000), None);
    let begun = Instant::now();
    let failed = join_all((0..20).map(|_| depart(&upstreams))).await;
    // One attempt takes five seconds; twenty in turn would have taken a hundred.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(failed.iter().all(|it| it.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable)));
    assert_eq!(idp.hits(WELL_KNOWN), 1);

    idp.faults().clear();
    let told = depart(&upstreams).await.unwrap_err().to_string();
    assert_eq!(told, "the provider did not describe itself a moment ago");
    assert_eq!(idp.hits(WELL_KNOWN), 1, "it is left alone for a moment");
    hands.advance(Duration::from_secs(2));
    depart(&upstreams).await.unwrap();
    assert_eq!(idp.hits(WELL_KNOWN), 2);
}

#[tokio::test]
async fn one_that_is_down_later_signs_people_in_by_what_it_said_and_is_asked_now_and_then() {
    let (idp, upstreams, hands) = scene().await;
    depart(&upstreams).await.unwrap();
    depart(&upstreams).await.unwrap();
    assert_eq!(idp.hits(WELL_KNOWN), 1, "what it said is good for an hour");
    idp.faults().add(WELL_KNOWN, Fault::Status(503), None);
    hands.advance(Duration::from_secs(3600));
    for (passed, asked) in [(0, 2), (0, 2), (9, 2), (1, 3), (9, 3), (1, 4)] {
        hands.advance(Duration::from_secs(passed));
        depart(&upstreams).await.unwrap();
        assert_eq!(idp.hits(WELL_KNOWN), asked);
    }
    idp.faults().clear();
    hands.advance(Duration::from_secs(10));
    for _ in 0..2 {
        depart(&upstreams).await.unwrap();
        assert_eq!(idp.hits(WELL_KNOWN), 5);
    }
}
