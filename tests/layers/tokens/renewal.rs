//! A refresh token is spent once, however many ask and wherever they are.

use super::{
    people::{account, connect, refresh},
    store::Shared,
};
use crate::world::World;
use countersign::{
    Kind,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Attached, Authenticated, Carry, Proves, UpstreamTokens, WithTokens},
    tokens::{
        Account, Connection, OAuthRefresh, Refresh, RefreshFailure, Refreshed, ResolveTokensLayer,
        StoredTokens,
    },
};
use countersign_fixtures::idp::Idp;
use http::{Extensions, Request};
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const HOUR: Duration = Duration::from_secs(3600);

/// What one call found: the access token, or the kind of its error.
type Found = Result<String, Kind>;

/// A provider, our issuer, and a store that processes share.
struct Scene {
    world: World,
    github: Idp,
    store: Shared,
    alice: Account,
}

/// Does what it is told, when it is let.
#[derive(Clone, Debug)]
struct Told {
    asked: Arc<AtomicU64>,
    leave: Arc<Semaphore>,
    says: Says,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    New,
    Refused,
    Unspent,
    Unknown,
}

impl Told {
    fn to_say(says: Says) -> Self {
        Self { asked: Arc::default(), leave: Arc::new(Semaphore::new(0)), says }
    }

    fn at_once(says: Says) -> Self {
        let told = Self::to_say(says);
        told.leave.add_permits(1_000);
        told
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Until it was asked `times` times.
    async fn was_asked(&self, times: u64) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

impl Refresh for Told {
    async fn refresh(&self, _: &str, _: &SecretString) -> Result<Refreshed, RefreshFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.leave.acquire().await.unwrap().forget();
        match self.says {
            Says::New => Ok(Refreshed::new("new".into()).with_refresh_token("next".into())),
            Says::Refused => Err(RefreshFailure::Refused("it was revoked".into())),
            Says::Unspent => Err(RefreshFailure::Unspent("not now".into(), Some(Duration::from_secs(9)))),
            Says::Unknown => Err(RefreshFailure::Unknown("it hung up".into())),
        }
    }
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let github = Idp::start(world.clock.clone()).await;
        let store = Shared::new(&world.clock);
        let alice = account(&world.idp, "alice", "github");
        Self { world, github, store, alice }
    }

    /// Alice is connected with a token of an hour that can be renewed.
    fn connected(&self) -> Connection {
        let now = self.world.clock.now();
        Connection::new("old".into(), now).with_expires(now + HOUR).with_refresh_token("spent".into())
    }

    /// A process of its own over the shared store.
    fn process<R: Refresh>(&self, refresh: R) -> StoredTokens<Shared, R> {
        StoredTokens::builder(self.store.clone(), refresh).with_clock(self.world.our_clock()).build()
    }

    fn refresh(&self) -> OAuthRefresh {
        refresh(&self.github, "github")
    }

    /// Alice calls, through the layer.
    async fn call<R: Refresh>(&self, source: &StoredTokens<Shared, R>) -> Found {
        let issuer = self.world.idp.issuer().to_owned();
        let resolve = ResolveTokensLayer::new(source.clone(), ["github"]).layer(service_fn(found));
        let attach = service_fn(move |request: Request<Carry<Authenticated, ()>>| {
            let (resolve, (proof, ())) = (resolve.clone(), request.into_body().into_parts());
            async move { resolve.oneshot(proof.attach(Request::new(()))?).await }
        });
        let trust =
            TrustIdentityLayer::new(move |_: &Extensions| Some(TrustedIdentity::new(&issuer, "alice")));
        let found = trust.layer(attach).oneshot(Request::new(())).await;
        found.map_err(|error: BoxError| super::ours(&error).kind())
    }

    fn kept(&self) -> Option<String> {
        let kept = self.store.kept(&self.alice)?;
        Some(kept.access_token().expose_secret().to_owned())
    }
}

async fn found(request: Request<Carry<WithTokens<Attached>, ()>>) -> Result<String, BoxError> {
    let tokens: &UpstreamTokens = request.body().proof().fact();
    Ok(tokens.of("github").unwrap().access_token().expose_secret().to_owned())
}

#[tokio::test]
async fn a_thousand_requests_in_two_processes_spend_a_rotating_token_once() {
    let scene = Scene::new().await;
    scene.store.put(scene.alice.clone(), connect(&scene.github, "alice").await);
    let processes = [scene.process(scene.refresh()), scene.process(scene.refresh())];
    let (spent, old) = (scene.github.hits("/token"), scene.kept().unwrap());
    scene.world.clock.advance(HOUR);

    let calls = (0..1_000).map(|n| scene.call(&processes[n % 2]));
    let found = futures_util::future::join_all(calls).await;

    let new = scene.kept().unwrap();
    assert_ne!(new, old);
    assert!(
        found.iter().all(|found| found.as_ref() == Ok(&new)),
        "{:?}",
        found.iter().find(|it| it.is_err())
    );
    assert_eq!(scene.github.hits("/token"), spent + 1);
    assert!(scene.store.loads() < 100, "{} lookups", scene.store.loads());

    // The provider would have revoked it all, had it seen the old one again.
    scene.world.clock.advance(HOUR);
    assert!(scene.call(&processes[1]).await.is_ok_and(|newer| newer != new));
    assert_eq!(scene.github.hits("/token"), spent + 2);
}

#[tokio::test]
async fn a_renewal_goes_on_when_everybody_gave_up() {
    let scene = Scene::new().await;
    scene.store.put(scene.alice.clone(), scene.connected());
    scene.world.clock.advance(HOUR);
    let told = Told::to_say(Says::New);
    let process = scene.process(told.clone());
    tokio::select! {
        biased;
        found = scene.call(&process) => panic!("nobody let it answer: {found:?}"),
        () = told.was_asked(1) => {}
    }
    told.leave.add_permits(1);
    assert_eq!(scene.call(&process).await, Ok("new".into()));
    assert_eq!(told.asked(), 1);
}

#[tokio::test]
async fn a_process_that_never_came_back_leaves_an_account_to_be_connected_anew() {
    let scene = Scene::new().await;
    scene.store.put(scene.alice.clone(), scene.connected());
    scene.world.clock.advance(HOUR);
    let (frozen, healthy) = (Told::to_say(Says::New), Told::at_once(Says::New));
    let (first, second) = (scene.process(frozen.clone()), scene.process(healthy.clone()));

    let late = scene.call(&first);
    tokio::pin!(late);
    tokio::select! {
        biased;
        found = &mut late => panic!("nobody let it answer: {found:?}"),
        () = frozen.was_asked(1) => {}
    }
    // Its lease runs out.
    scene.world.clock.advance(Duration::from_secs(21));
    assert_eq!(scene.call(&second).await, Err(Kind::UpstreamTokenMissing));
    assert_eq!((healthy.asked(), scene.kept()), (0, None));

    // What it brings home late is not wanted any more.
    frozen.leave.add_permits(1);
    assert_eq!(late.await, Err(Kind::UpstreamTokenMissing));
    assert_eq!(scene.kept(), None);
}

#[tokio::test]
async fn an_account_that_was_connected_anew_meanwhile_stays_as_it_is() {
    let scene = Scene::new().await;
    scene.store.put(scene.alice.clone(), scene.connected());
    scene.world.clock.advance(HOUR);
    let told = Told::to_say(Says::New);
    let process = scene.process(told.clone());
    let call = scene.call(&process);
    tokio::pin!(call);
    tokio::select! {
        biased;
        found = &mut call => panic!("nobody let it answer: {found:?}"),
        () = told.was_asked(1) => {}
    }
    let anew = Connection::new("connected anew".into(), scene.world.clock.now());
    scene.store.put(scene.alice.clone(), anew);
    told.leave.add_permits(1);
    assert_eq!(call.await, Ok("connected anew".into()));
    assert_eq!(scene.kept().as_deref(), Some("connected anew"));
}

#[tokio::test]
async fn what_ages_is_served_while_the_next_is_fetched() {
    let scene = Scene::new().await;
    scene.store.put(scene.alice.clone(), scene.connected());
    let told = Told::to_say(Says::New);
    let process = scene.process(told.clone());
    assert_eq!(scene.call(&process).await, Ok("old".into()));
    assert_eq!(told.asked(), 0);

    scene.world.clock.advance(HOUR * 9 / 10);
    assert_eq!(scene.call(&process).await, Ok("old".into()));
    told.was_asked(1).await;
    assert_eq!(scene.call(&process).await, Ok("old".into()));
    told.leave.add_permits(1);
    while scene.kept().as_deref() != Some("new") {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.call(&process).await, Ok("new".into()));
    assert_eq!(told.asked(), 1);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_ahead_is_used_to_its_end() {
    for says in [Says::Unspent, Says::Refused] {
        let scene = Scene::new().await;
        scene.store.put(scene.alice.clone(), scene.connected());
        let told = Told::at_once(says);
        let process = scene.process(told.clone());
        scene.world.clock.advance(HOUR * 9 / 10);
        for _ in 0..20 {
            assert_eq!(scene.call(&process).await, Ok("old".into()), "{says:?}");
            tokio::task::yield_now().await;
        }
        told.was_asked(1).await;
        scene.world.clock.advance(Duration::from_secs(300));
        assert_eq!(scene.call(&process).await, Ok("old".into()), "{says:?}");

        scene.world.clock.advance(HOUR);
        let (ended, asked, kept) = match says {
            // It may be renewed yet.
            Says::Unspent => (Kind::UpstreamUnavailable, 3, Some("old".to_owned())),
            Says::New | Says::Refused | Says::Unknown => {
                (Kind::UpstreamTokenMissing, 1, Some("old".to_owned()))
            }
        };
        assert_eq!(scene.call(&process).await, Err(ended), "{says:?}");
        assert_eq!((told.asked(), scene.kept()), (asked, kept), "{says:?}");
    }
}

#[tokio::test]
async fn how_a_renewal_fails_decides_what_is_left() {
    for (says, kind, left) in [
        (Says::Refused, Kind::UpstreamTokenMissing, None),
        (Says::Unknown, Kind::UpstreamTokenMissing, None),
        (Says::Unspent, Kind::UpstreamUnavailable, Some("old".to_owned())),
    ] {
        let scene = Scene::new().await;
        scene.store.put(scene.alice.clone(), scene.connected());
        scene.world.clock.advance(HOUR);
        let told = Told::at_once(says);
        let process = scene.process(told.clone());
        assert_eq!(scene.call(&process).await, Err(kind), "{says:?}");
        assert_eq!(scene.kept(), left, "{says:?}");
        // Nothing of it is remembered: the person may have done something about it.
        scene.store.put(scene.alice.clone(), Connection::new("other".into(), scene.world.clock.now()));
        assert_eq!(scene.call(&process).await, Ok("other".into()), "{says:?}");
    }
}

#[tokio::test]
async fn what_a_provider_gave_is_not_lost_to_a_store_that_stumbles() {
    let scene = Scene::new().await;
    for (failures, found) in [(3, Ok("new".to_owned())), (4, Err(Kind::UpstreamUnavailable))] {
        scene.store.put(scene.alice.clone(), scene.connected());
        scene.world.clock.advance(HOUR);
        scene.store.fail_writes(failures);
        let told = Told::at_once(Says::New);
        let process = scene.process(told.clone());
        assert_eq!(scene.call(&process).await, found);
        assert_eq!(told.asked(), 1);
    }
    // It was written down before that it may be spent, so it is not spent again.
    let told = Told::at_once(Says::New);
    assert_eq!(scene.call(&scene.process(told.clone())).await, Err(Kind::UpstreamTokenMissing));
    assert_eq!((told.asked(), scene.kept()), (0, None));
}

#[tokio::test]
async fn a_new_id_token_is_about_the_same_person() {
    #[derive(Debug)]
    struct Gives(String);

    impl Refresh for Gives {
        async fn refresh(&self, _: &str, _: &SecretString) -> Result<Refreshed, RefreshFailure> {
            Ok(Refreshed::new("new".into()).with_id_token(self.0.clone().into()))
        }
    }

    let scene = Scene::new().await;
    let claims = super::people::claims(&scene.github.mint("alice").audience("gateway").token());
    for (subject, found) in [("alice", Ok("new".to_owned())), ("mallory", Err(Kind::UpstreamTokenMissing))] {
        let connected = scene.connected().with_claims(claims.as_object().unwrap().clone());
        scene.store.put(scene.alice.clone(), connected);
        scene.world.clock.advance(HOUR);
        let gives = Gives(scene.github.mint(subject).audience("gateway").token());
        assert_eq!(scene.call(&scene.process(gives)).await, found, "{subject}");
    }
}
