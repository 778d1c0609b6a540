//! Nobody is ever given credentials that were made for another caller, or for the same with anything different.

use super::*;
use countersign::{
    expression::{Expression, TextExpression},
    proof::{Operation, Tool},
    sts::{
        CallerProof, CredentialRequest, Hop, IssuedCredentials, Refusal, SessionBuilder, SessionPolicy,
        SessionTag, SessionValue, StaticKeys,
    },
};
use proptest::{prelude::*, test_runner::TestRunner};
use secrecy::ExposeSecret;
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// Credentials whose id is everything they were made for.
#[derive(Debug, Default)]
struct Telling(Arc<AtomicU64>);

impl CredentialProvider for Telling {
    async fn provide(&self, request: CredentialRequest) -> Result<IssuedCredentials, Refusal> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let expires = Clock::default().now() + 3600 * SECOND;
        Ok(IssuedCredentials::new(told(&request), "secret".into(), "session".into(), expires))
    }
}

/// Everything that STS would be told, except what differs from token to token of the same caller.
fn told(request: &CredentialRequest) -> String {
    let caller = request.caller();
    let mut text = format!("{} {} {:?}", caller.issuer(), caller.subject(), caller.actors());
    match request.proof() {
        CallerProof::WebIdentity(token) => {
            let payload = URL_SAFE_NO_PAD.decode(token.expose_secret().split('.').nth(1).unwrap()).unwrap();
            let mut claims: Map<String, Value> = serde_json::from_slice(&payload).unwrap();
            for of_the_token in ["iat", "nbf", "exp", "jti"] {
                claims.remove(of_the_token);
            }
            write!(text, " web identity {}", Value::from(claims)).unwrap();
        }
        CallerProof::Credentials(credentials) => {
            write!(text, " brokered {}", credentials.access_key_id()).unwrap()
        }
        _ => text.push_str(" otherwise"),
    }
    for step in [request.first()].into_iter().chain(request.hops()) {
        write!(text, " then {step:?}").unwrap();
    }
    text
}

/// One request: small choices, so that two of them are often alike and more often nearly alike.
#[derive(Clone, Debug)]
struct Wish {
    session: usize,
    role: usize,
    issuer: usize,
    subject: usize,
    actor: usize,
    team: usize,
    nonce: usize,
    token: usize,
    tool: usize,
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        0..SESSIONS,
        0..2_usize,
        0..2_usize,
        0..3_usize,
        0..3_usize,
        0..3_usize,
        0..2_usize,
        0..3_usize,
        0..3_usize,
    )
        .prop_map(|(session, role, issuer, subject, actor, team, nonce, token, tool)| Wish {
            session,
            role,
            issuer,
            subject,
            actor,
            team,
            nonce,
            token,
            tool,
        })
}

const SESSIONS: usize = 14;
const ROLES: [&str; 2] = [world::USER, world::ADMIN];

fn sessions() -> Vec<Session> {
    let hop = || Hop::to("arn:aws:iam::210987654321:role/Hop".parse().unwrap());
    let keys = |id: &str| StaticKeys::new(id, "secret".into());
    let text = |source: &str| TextExpression::compile(source).unwrap();
    let read_only = || {
        let condition = Expression::compile("tool.read_only").unwrap();
        (condition, SessionPolicy::managed(["arn:aws:iam::aws:policy/ReadOnlyAccess"]))
    };
    let one = keys("AKIDONE");
    let team = || SessionTag::new("Team", text("claims.team"));
    let reading = |builder: SessionBuilder| {
        let (condition, policy) = read_only();
        builder.with_policy_when(condition, policy)
    };
    let all = [
        Session::caller(),
        Session::caller().with_duration(1800 * SECOND),
        Session::caller().with_policy(SessionPolicy::managed(["arn:aws:iam::aws:policy/A"])),
        reading(Session::caller()),
        Session::caller().then(hop()),
        Session::caller().then(hop().with_external_id("one")),
        Session::caller().then(hop().with_tag(team())),
        Session::caller().then(hop().with_source_identity(SessionValue::session_name())),
        Session::brokered(one.clone()),
        Session::brokered(keys("AKIDTWO")),
        Session::brokered(one.clone()).with_tag(team()),
        Session::brokered(one.clone()).with_tag(team().transitive()),
        Session::brokered(one.clone()).with_tag(team().optional()).with_source_identity(text("claims.sub")),
        reading(Session::brokered(one)),
    ];
    assert_eq!(all.len(), SESSIONS);
    all.into_iter().map(|session| session.build().unwrap()).collect()
}

impl Wish {
    fn claims(&self) -> Map<String, Value> {
        let issuer = ["https://one.example", "https://two.example"][self.issuer];
        // Together with the issuer's, texts that would run into each other without a boundary.
        let subject = ["alice", "alice2", "bob"][self.subject];
        let mut claims =
            Map::from_iter([("iss".to_owned(), issuer.into()), ("sub".to_owned(), subject.into())]);
        claims.insert("team".to_owned(), ["data", "ops", "dataops"][self.team].into());
        claims.insert("nonce".to_owned(), self.nonce.into());
        match self.actor {
            0 => {}
            actor => {
                claims.insert("act".to_owned(), serde_json::json!({"sub": format!("agent-{actor}")}));
            }
        }
        for of_the_token in ["iat", "exp", "jti"] {
            claims.insert(of_the_token.to_owned(), (2_000_000_000 + self.token).into());
        }
        claims
    }

    async fn caller(&self) -> Authenticated {
        let claims = self.claims();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        let payload = URL_SAFE_NO_PAD.encode(Value::from(claims.clone()).to_string());
        let tool = match self.tool {
            0 => return vouch(claims, Some(&format!("{header}.{payload}.c2ln"))).await,
            1 => Tool::named("query").read_only(),
            _ => Tool::named("drop"),
        };
        let caller = vouch(claims, Some(&format!("{header}.{payload}.c2ln"))).await;
        caller.about(Operation::on("warehouse").calling(tool))
    }
}

#[test]
fn whoever_asks_gets_what_was_made_for_exactly_that() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let made = Arc::new(AtomicU64::new(0));
    // One cache for all cases, so that what one left behind is there for the next.
    let cache = CredentialCache::new(Telling(made.clone()));
    let (sessions, untouched) = (sessions(), AtomicU64::new(0));
    let wishes = proptest::collection::vec(wish(), 1..60);
    TestRunner::new(config)
        .run(&wishes, |wishes| {
            runtime.block_on(async {
                for wish in wishes {
                    let session = sessions[wish.session].clone();
                    let caller = wish.caller().await;
                    let role = ROLES[wish.role];
                    let given = ask(&stack(&cache, role, session.clone()), &caller).await.unwrap();
                    // What somebody gets who shares no cache with anybody.
                    let alone = stack(&CredentialCache::new(Telling::default()), role, session);
                    let meant = ask(&alone, &caller).await.unwrap();
                    prop_assert_eq!(given.access_key_id(), meant.access_key_id());
                    untouched.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        })
        .unwrap();
    let (made, asked) = (made.load(Ordering::Relaxed), untouched.load(Ordering::Relaxed));
    assert!(made < asked, "nothing was ever shared: {made} of {asked}");
}

#[tokio::test]
async fn another_token_of_the_same_caller_is_the_same_caller() {
    let made = Arc::new(AtomicU64::new(0));
    let cache = CredentialCache::new(Telling(made.clone()));
    let first =
        Wish { session: 0, role: 0, issuer: 0, subject: 0, actor: 0, team: 0, nonce: 0, token: 0, tool: 0 };
    for session in sessions() {
        let stack = stack(&cache, world::USER, session);
        let before = made.load(Ordering::Relaxed);
        for token in 0..3 {
            ask(&stack, &Wish { token, ..first.clone() }.caller().await).await.unwrap();
        }
        assert_eq!(made.load(Ordering::Relaxed), before + 1);
    }
}
