//! Providers as presets describe them, and those that do not describe themselves when they are asked.

use super::{Arrival, Error, Kind, Upstream, Upstreams};
use crate::config::{
    self,
    authorization_server::{Provider, Upstream as Configured, endpoint_at},
};
use countersign::{
    clock::{Clock, SystemClock},
    fetch::{Fetcher, Reach},
    token_endpoint::ClientAuthentication,
    tokens::OAuthCodes,
};
use countersign_fixtures::{
    clock,
    fault::Fault,
    forge::Forge,
    idp::{AuthMethod, Behaviour, Client, Idp, Person},
};
use countersign_tests::client::Plain;
use futures_util::future::join_all;
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use url::Url;

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
    let corp = configured(&format!("oidc: {{issuer: '{}', client_authentication: none", idp.issuer()));
    let clock: Arc<dyn Clock> = Arc::new(Hands(hands.clone()));
    (idp, Upstreams::new(vec![corp], &[], &clock), hands)
}

/// The one upstream of a configuration.
fn configured(about: &str) -> Configured {
    let text = format!(
        "public_url: https://mcp.example.com\n\
         store: {{memory: true}}\n\
         backends: {{it: {{url: 'https://backend.example/mcp', auth: none}}}}\n\
         authorization_server: {{upstreams: [{{name: corp, {about}, client_id: gateway}}}}]}}\n",
    );
    let (gateway, _) = config::parse("gateway.yaml", &text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    gateway.authorization_server.unwrap().upstreams.remove(0)
}

fn alone(upstream: Configured) -> Upstreams {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Upstreams::new(vec![upstream], &[], &clock)
}

const BACK: &str = "http://127.0.0.1/oauth/callback";

fn of_this_machine() -> Fetcher {
    Fetcher::new(Reach::default().and_loopback(), None).unwrap()
}

/// What a parameter of an address is.
fn said(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

/// Whoever the provider at the other end says comes back.
async fn signed_in(upstreams: &Upstreams, agree: impl AsyncFnOnce(&str) -> String) -> (String, Arrival) {
    let corp = upstreams.nth(0).unwrap();
    let departure = corp.depart(BACK, "state").await.unwrap();
    let back = agree(&departure.url).await;
    let code = said(&back, "code").unwrap_or_else(|| panic!("{back}"));
    (departure.url, corp.arrive(&code, BACK, &departure.trip).await.unwrap())
}

#[tokio::test]
async fn whoever_a_preset_describes_signs_people_in_and_renews_their_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hush").unwrap();
    for (about, method, offline) in [
        ("preset: google", AuthMethod::ClientSecretPost, "access_type"),
        (
            "preset: entra, tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47",
            AuthMethod::ClientSecretPost,
            "scope",
        ),
        ("preset: okta, domain: acme.okta.com", AuthMethod::ClientSecretBasic, "scope"),
    ] {
        let idp = Idp::start(clock::Clock::default()).await;
        idp.register(Client::confidential("gateway", "hush", method).redirect_to(BACK));
        idp.script(Behaviour::SignIn("alice".into()));
        let mut corp = configured(&format!("oidc: {{{about}, client_secret: 'file:{}'", secret.display()));
        // Everything as configured, but at the double.
        let Provider::Oidc(oidc) = &mut corp.provider else { panic!("{about}") };
        (oidc.issuer, oidc.fetcher) = (idp.issuer().to_owned(), of_this_machine());
        let clock: Arc<dyn Clock> = Arc::new(Hands(idp.clock().clone()));
        let upstreams = Upstreams::new(vec![corp], &[], &clock);
        let (url, arrival) = signed_in(&upstreams, async |url| {
            Plain::default().fetch(url).await.header("location").to_owned()
        })
        .await;
        assert_eq!(arrival.person.unwrap().subject, "alice", "{about}");
        assert!(said(&url, offline).unwrap().contains("offline"), "{about}: {url}");
        assert_eq!(said(&url, "code_challenge_method").as_deref(), Some("S256"));
    }
}

#[tokio::test]
async fn whoever_says_it_in_their_own_way_signs_people_in_too() {
    let forge = Forge::start("gateway", "hush").await;
    let mut github = configured("oauth2: {preset: github, client_authentication: none");
    let Provider::OAuth2(oauth2) = &mut github.provider else { panic!("no OAuth 2.0") };
    let url = |path: &str| Url::parse(&forge.url(path)).unwrap();
    let client = ClientAuthentication::post("gateway", "hush".into());
    let tokens = endpoint_at(url("/login/oauth/access_token").as_str(), client, None, false);
    oauth2.codes = OAuthCodes::new(tokens).unwrap();
    oauth2.authorize = url(oauth2.authorize.path());
    let identified = oauth2.identified.as_mut().unwrap();
    (identified.userinfo, identified.fetcher) = (url(identified.userinfo.path()), of_this_machine());
    let upstreams = alone(github);
    let (_, arrival) = signed_in(&upstreams, async |url| {
        Plain::default().post_form(url, &[("login", "octo")]).await.header("location").to_owned()
    })
    .await;
    let number = forge.number("octo").unwrap();
    assert_eq!(arrival.person.unwrap().subject, number.to_string(), "logins change hands, numbers do not");
}

#[tokio::test]
async fn an_account_is_known_by_what_the_preset_says_names_it() {
    let idp = Idp::start(clock::Clock::default()).await;
    idp.register(Client::public("gateway").redirect_to(BACK));
    idp.add_person(Person::new("alice").claim("account_id", "712020:5f"));
    idp.script(Behaviour::SignIn("alice".into()));
    let mut wiki = configured("oauth2: {preset: atlassian, scopes: [openid], client_authentication: none");
    let Provider::OAuth2(oauth2) = &mut wiki.provider else { panic!("no OAuth 2.0") };
    let url = |path: &str| Url::parse(&idp.url(path)).unwrap();
    let tokens = endpoint_at(url("/token").as_str(), ClientAuthentication::public("gateway"), None, false);
    (oauth2.codes, oauth2.authorize) = (OAuthCodes::new(tokens).unwrap(), url("/authorize"));
    let identified = oauth2.identified.as_mut().unwrap();
    (identified.userinfo, identified.fetcher) = (url("/userinfo"), of_this_machine());
    let upstreams = alone(wiki);
    let (url, arrival) =
        signed_in(&upstreams, async |url| Plain::default().fetch(url).await.header("location").to_owned())
            .await;
    assert_eq!(arrival.person.unwrap().subject, "712020:5f");
    assert_eq!(said(&url, "audience").as_deref(), Some("api.atlassian.com"));
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
