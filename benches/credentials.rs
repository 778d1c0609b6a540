//! A caller's credentials: at hand, beside the cache underneath; made once, however many wait.
//!
//! `cargo bench --bench credentials`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

use countersign::{
    BoxError, ServiceBuilderExt,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Attached, Authenticated, AwsCredentials, Carry, Proves, WithCredentials, WithRole},
    role::Roles,
    sts::{CredentialCache, CredentialProvider, CredentialRequest, IssuedCredentials, Refusal, Session},
};
use countersign_benches::Contest;
use countersign_fixtures::clock::Clock;
use futures_util::{FutureExt, future::join_all};
use http::Request;
use moka::{policy::EvictionPolicy, sync::Cache};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{
    alloc::System,
    future::{Ready, ready},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};
use tokio::runtime::Runtime;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::ServiceFn};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROLE: &str = "arn:aws:iam::123456789012:role/McpUser";
/// As long as AWS's are, about.
const SESSION_TOKEN: usize = 1_000;

fn main() {
    let runtime = Runtime::new().expect("a runtime starts");
    for entries in [1, 1_000, 100_000] {
        warm(&runtime, entries);
    }
    two_threads(&runtime);
    coalesced(&runtime);
    bytes_per_entry(&runtime);
}

/// Credentials at once, and a count of how often.
#[derive(Clone, Debug, Default)]
struct Instantly(Arc<AtomicU64>);

impl CredentialProvider for Instantly {
    async fn provide(&self, _: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        // Others arrive meanwhile.
        tokio::task::yield_now().await;
        let expires = Clock::default().now() + Duration::from_secs(3600);
        let (secret, token) = ("s".repeat(40), "t".repeat(SESSION_TOKEN));
        Ok(IssuedCredentials::new(format!("ASIA{number:016}"), secret.into(), token.into(), expires))
    }
}

type Inside = Request<Carry<WithCredentials<WithRole<Attached>>, ()>>;
type Tell = ServiceFn<fn(Inside) -> Ready<Result<AwsCredentials, BoxError>>>;

/// What stands behind the layers.
fn tell() -> Tell {
    #[allow(clippy::needless_pass_by_value, reason = "a service takes its request")]
    fn credentials(request: Inside) -> Ready<Result<AwsCredentials, BoxError>> {
        let credentials: &AwsCredentials = request.body().proof().fact();
        ready(Ok(credentials.clone()))
    }
    service_fn(credentials)
}

type Plain = Request<Carry<WithRole<Attached>, ()>>;

/// The same without credentials: what a request and role selection cost.
fn tell_plainly(request: Plain) -> Ready<Result<Plain, BoxError>> {
    ready(Ok(request))
}

fn roles() -> Roles {
    Roles::builder()
        .with_fallback(ROLE.parse().expect("it is a role"))
        .with_session_name("{claims.sub}".parse().expect("it is a template"))
        .build()
        .expect("the rules are good")
}

/// People with the claims that people have.
fn callers(runtime: &Runtime, count: usize) -> Vec<Authenticated> {
    (0..count).map(|n| runtime.block_on(caller(n))).collect()
}

async fn caller(n: usize) -> Authenticated {
    let claims = json!({
        "iss": "https://login.example.com", "sub": format!("person-{n}"), "aud": "sts.amazonaws.com",
        "email": format!("person-{n}@example.com"), "email_verified": true, "name": "Alice Example",
        "groups": ["admins", "engineering", "everybody", "oncall", "warehouse-readers"],
        "client_id": "8d3c2c70-3c1c-4c1d-a3cf-6d3a34f0b9be", "tid": "5f0c1a34-76d0-4b6e-8f57-7d3c0a0e2b19",
    });
    let Value::Object(claims) = claims else { unreachable!("it is an object") };
    // A header that says RS256, and nobody looks at the rest.
    let token = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln";
    let identity = TrustedIdentity::new("https://login.example.com", format!("person-{n}"))
        .with_claims(claims)
        .with_token(token.into());
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(request.into_body().into_parts().0)
    });
    ServiceBuilder::new()
        .layer(TrustIdentityLayer::new(move |_: &http::Extensions| Some(identity.clone())))
        .service(proof)
        .oneshot(Request::new(()))
        .await
        .expect("somebody vouches")
}

/// A cache that knows all of `callers`.
fn filled(runtime: &Runtime, callers: &[Authenticated]) -> CredentialCache<Instantly> {
    let capacity = u64::try_from(callers.len() * 2).expect("it is few");
    let cache = CredentialCache::builder(Instantly::default()).with_capacity(capacity).build();
    let stack =
        ServiceBuilder::new().select_role(roles()).assume_role(&cache, Session::default()).service(tell());
    runtime.block_on(async {
        for some in callers.chunks(1_000) {
            join_all(some.iter().map(|caller| stack.clone().oneshot(attached(caller)))).await;
        }
    });
    cache
}

fn attached(caller: &Authenticated) -> Request<Carry<Attached, ()>> {
    caller.attach(Request::new(())).expect("nobody's time is over")
}

/// One after the other, in no order that a processor could guess.
struct Pick {
    next: usize,
    count: usize,
}

impl Pick {
    fn among(count: usize) -> Self {
        Self { next: 0, count }
    }

    fn pick(&mut self) -> usize {
        self.next =
            (self.next.wrapping_mul(6_364_136_223_846_793_005)).wrapping_add(1_442_695_040_888_963_407);
        (self.next >> 33) % self.count
    }
}

/// What a key has to hold, at least: who, in which session, which role, under which name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct BareKey {
    who: [u8; 32],
    session: u64,
    role: Arc<str>,
    name: Arc<str>,
}

/// What anybody keeps who keeps credentials, as large as ours are.
struct Kept {
    expires: SystemTime,
    _texts: [String; 3],
}

impl Kept {
    fn new() -> Self {
        let expires = Clock::default().now() + Duration::from_secs(3600);
        Self { expires, _texts: ["A".repeat(20), "s".repeat(40), "t".repeat(SESSION_TOKEN)] }
    }

    fn last(&self, now: SystemTime) -> bool {
        self.expires > now
    }
}

/// Whom a key is about: a fingerprint and a name.
type Known = ([u8; 32], String);

/// Moka alone, with such keys and what `keep` makes for each, and what keys are made of. A request brings names of its
/// own, not the very ones that are kept.
fn bare<T: Send + Sync + 'static>(
    callers: &[Authenticated],
    keep: impl Fn() -> T,
) -> (Cache<BareKey, Arc<T>>, Vec<Known>) {
    let cache = Cache::builder()
        .max_capacity(u64::try_from(callers.len() * 2).expect("it is few"))
        .eviction_policy(EvictionPolicy::lru())
        .build();
    let people: Vec<([u8; 32], String)> = callers
        .iter()
        .enumerate()
        .map(|(n, caller)| {
            let mut who = [7; 32];
            who[..8].copy_from_slice(&n.to_ne_bytes());
            (who, caller.identity().subject().to_owned())
        })
        .collect();
    let role: Arc<str> = ROLE.into();
    for person in &people {
        cache.insert(key(person, &role), Arc::new(keep()));
    }
    (cache, people)
}

fn key((who, name): &Known, role: &Arc<str>) -> BareKey {
    BareKey { who: *who, session: 1, role: role.clone(), name: name.as_str().into() }
}

fn warm(runtime: &Runtime, entries: usize) {
    let callers = callers(runtime, entries);
    let cache = filled(runtime, &callers);
    let (moka, people) = bare(&callers, || [0; 64]);
    let (large, _) = bare(&callers, Kept::new);
    let role: Arc<str> = ROLE.into();
    let mut with =
        ServiceBuilder::new().select_role(roles()).assume_role(&cache, Session::default()).service(tell());
    let mut without = ServiceBuilder::new().select_role(roles()).service(service_fn(tell_plainly));
    let now = Clock::default().now();
    let (mut one, mut two, mut three) = (Pick::among(entries), Pick::among(entries), Pick::among(entries));
    let mut four = Pick::among(entries);
    let medians = Contest::new(format!("credentials at hand, {entries} callers"))
        .entry("moka alone", || moka.get(&key(&people[one.pick()], &role)).expect("it is there"))
        .entry("moka alone, with credentials in it", || {
            let kept = large.get(&key(&people[four.pick()], &role)).expect("they are there");
            kept.last(now).then_some(kept).expect("they last")
        })
        .entry("request and role, without credentials", || {
            let answer = without.call(attached(&callers[two.pick()]));
            answer.now_or_never().expect("nothing waits").expect("it answers")
        })
        .entry("request and role, with credentials", || {
            let answer = with.call(attached(&callers[three.pick()]));
            answer.now_or_never().expect("they are at hand").expect("it answers")
        })
        .run();
    if let [moka, large, without, with] = medians[..] {
        let lookup = with.saturating_sub(without);
        let [to_moka, to_large] = [moka, large].map(|peer| lookup.as_secs_f64() / peer.as_secs_f64());
        println!(
            "  the credentials cost {} ns: {to_moka:.2} times moka alone, {to_large:.2} with credentials in it",
            lookup.as_nanos()
        );
    }
}

/// The same from two threads at once, which share everything.
fn two_threads(runtime: &Runtime) {
    const TIMES: u32 = 200_000;
    println!("\ntwo threads at once, each {TIMES} times");
    for entries in [1, 1_000] {
        let callers = callers(runtime, entries);
        let cache = filled(runtime, &callers);
        let (moka, people) = bare(&callers, || [0; 64]);
        let role: Arc<str> = ROLE.into();
        let with = ServiceBuilder::new()
            .select_role(roles())
            .assume_role(&cache, Session::default())
            .service(tell());
        let without = ServiceBuilder::new().select_role(roles()).service(service_fn(tell_plainly));
        let alone = best(|| {
            let mut pick = Pick::among(entries);
            for _ in 0..TIMES {
                black_box(moka.get(&key(&people[pick.pick()], &role)));
            }
        });
        let plain = best(|| {
            let (mut pick, mut stack) = (Pick::among(entries), without.clone());
            for _ in 0..TIMES {
                black_box(stack.call(attached(&callers[pick.pick()])).now_or_never());
            }
        });
        let full = best(|| {
            let (mut pick, mut stack) = (Pick::among(entries), with.clone());
            for _ in 0..TIMES {
                black_box(stack.call(attached(&callers[pick.pick()])).now_or_never());
            }
        });
        let each = |whole: Duration| whole.as_nanos() / u128::from(TIMES);
        let lookup = each(full).saturating_sub(each(plain));
        println!("  {entries:>6} callers: moka alone {} ns, the credentials {lookup} ns", each(alone));
    }
}

/// The quickest of some rounds with two threads.
fn best(work: impl Fn() + Sync) -> Duration {
    let round = || {
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(&work);
            }
        });
        started.elapsed()
    };
    (0..7).map(|_| round()).min().unwrap_or_default()
}

/// Many who want the same, when nothing is there yet.
fn coalesced(runtime: &Runtime) {
    const WAITING: usize = 10_000;
    let somebody = callers(runtime, 1);
    let provider = Instantly::default();
    let started = Instant::now();
    const ROUNDS: u32 = 10;
    for _ in 0..ROUNDS {
        let cache = CredentialCache::new(provider.clone());
        let stack = ServiceBuilder::new()
            .select_role(roles())
            .assume_role(&cache, Session::default())
            .service(tell());
        runtime.block_on(join_all((0..WAITING).map(|_| stack.clone().oneshot(attached(&somebody[0])))));
    }
    let each = started.elapsed() / ROUNDS;
    let calls = provider.0.load(Ordering::Relaxed) / u64::from(ROUNDS);
    println!("\n{WAITING} requests of one caller, nothing at hand: {calls} call, all served in {each:?}");
}

/// What remembering costs, from the allocator's own books.
fn bytes_per_entry(runtime: &Runtime) {
    const ENTRIES: usize = 10_000;
    let callers = callers(runtime, ENTRIES);
    // What identities remember about themselves is theirs.
    drop(filled(runtime, &callers));
    let region = Region::new(ALLOCATOR);
    let cache = filled(runtime, &callers);
    let change = region.change();
    let held = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    println!(
        "\n{ENTRIES} entries with session tokens of {SESSION_TOKEN} bytes take {} bytes each; the cache says {}",
        held / ENTRIES,
        cache.bytes() / cache.entries().max(1)
    );
}
