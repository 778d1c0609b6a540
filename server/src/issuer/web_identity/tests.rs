use super::*;
use crate::issuer::{
    access::AccessTokens,
    testing::{Scene, access, grant, verified},
};
use axum::http::{Extensions, Request, Response, header::AUTHORIZATION};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{
    BoxError, ServiceBuilderExt,
    expression::TextExpression,
    identity::{Issuer, TrustIdentityLayer, TrustedIdentity, Verifier},
    outgoing::Payload,
    proof::{Authenticated, Carry},
    role::Roles,
    sign::SigningTarget,
    sts::{CredentialCache, Session, SessionTag, SessionValue, Sts as AwsSts, TokenMinter},
    transmit::Transmit,
};
use countersign_fixtures::{
    credentials::Book,
    http::{Bound, Server},
    sts::{Provider, Role, Sts},
};
use countersign_tests::client::Plain;
use http_body_util::Full;
use secrecy::ExposeSecret;
use std::{
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const ACCOUNT: &str = "123456789012";
const ADMIN: &str = "arn:aws:iam::123456789012:role/mcp/Admin";
const USER: &str = "arn:aws:iam::123456789012:role/mcp/User";

/// STS, with roles that trust our issuer for the role that was chosen, and the server that STS reads the keys from.
struct House {
    scene: Scene,
    sts: Sts,
    identities: WebIdentities,
    /// The last token that was made.
    minted: Arc<Mutex<String>>,
    /// How often somebody read the keys.
    read: Arc<AtomicU64>,
    server: Server,
}

/// What `countersign` asks a minter for, as the gateway has it done.
#[derive(Clone, Debug)]
struct Minter(WebIdentities, Arc<Mutex<String>>);

impl TokenMinter for Minter {
    fn issuer(&self) -> &str {
        "ours"
    }

    async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
        let token = self.0.mint(&order)?;
        token.expose_secret().clone_into(&mut self.1.lock().unwrap());
        Ok(token)
    }
}

impl House {
    async fn new() -> Self {
        let scene = Scene::new();
        let bound: Bound = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
        let turn = Duration::from_secs(30 * 24 * 3600);
        let identities =
            WebIdentities::open(&scene.store, &bound.url(), Algorithm::Es256, turn, scene.clock())
                .await
                .unwrap();
        let read = Arc::new(AtomicU64::new(0));
        let count = read.clone();
        let counting = axum::middleware::map_request(move |request: axum::extract::Request| {
            count.fetch_add(u64::from(request.uri().path().ends_with(JWKS)), Ordering::Relaxed);
            std::future::ready(request)
        });
        let server = bound.serve(identities.documents().layer(counting));
        let sts = Sts::start(Book::new(scene.hands.clone())).await;
        let issuer = format!("{}/aws", server.url());
        let name = issuer.trim_start_matches("http://").to_owned();
        sts.add_provider(Provider::new(ACCOUNT, &issuer).client("sts.amazonaws.com")).unwrap();
        for arn in [ADMIN, USER] {
            let condition = json!({"StringEquals": {
                format!("{name}:aud"): "sts.amazonaws.com",
                "aws:RequestTag/countersign-role": arn.rsplit('/').next(),
            }});
            let policy = json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}")},
                "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
                "Condition": condition,
            }});
            sts.add_role(Role::new(arn).trusting(policy)).unwrap();
        }
        Self { scene, sts, identities, minted: Arc::default(), read, server }
    }

    /// What a backend was signed for, when `who` called it in `role`.
    async fn call(&self, who: &'static str, role: &str) -> Result<String, BoxError> {
        self.call_through(&self.identities, who, role).await
    }

    /// The same at another replica.
    async fn call_through(
        &self,
        identities: &WebIdentities,
        who: &'static str,
        role: &str,
    ) -> Result<String, BoxError> {
        let roles =
            Roles::builder().with_fallback(role.parse()?).with_session_name("{sub}".parse()?).build()?;
        let session = Session::minted(Minter(identities.clone(), self.minted.clone()))
            .with_duration(Duration::from_secs(900))
            .with_tag(SessionTag::new("Team", TextExpression::compile("claims.team")?).transitive())
            .with_source_identity(SessionValue::session_name())
            .build()?;
        let sts = AwsSts::builder("eu-west-1").with_endpoint(self.sts.url()).build()?;
        // A cache for each, so that STS is asked each time.
        let cache = CredentialCache::builder(sts).with_clock(self.scene.clock()).build();
        let backend = ServiceBuilder::new()
            .select_role(roles)
            .assume_role(&cache, session)
            .sign_request(SigningTarget::new("execute-api", "eu-west-1")?)
            .service(Transmit::dangerous_over(service_fn(sent)));
        let handler = service_fn(move |request: Request<Carry<Authenticated, Full<Bytes>>>| {
            let (proof, body) = request.into_body().into_parts();
            let backend = backend.clone();
            async move {
                let request =
                    Request::post("https://abc.execute-api.eu-west-1.amazonaws.com/v1").body(body)?;
                backend.oneshot(proof.attach(request)?).await
            }
        });
        let caller = move |_: &Extensions| {
            Some(
                TrustedIdentity::new("https://login.example.com", who)
                    .with_claims([("team".to_owned(), json!("data"))]),
            )
        };
        let service = ServiceBuilder::new().layer(TrustIdentityLayer::new(caller)).service(handler);
        Ok(service.oneshot(Request::new(Full::default())).await?.into_body())
    }

    /// What STS says to whoever shows it a token by hand.
    async fn shown(&self, token: &str, role: &str) -> (u16, String) {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", "somebody"),
            ("WebIdentityToken", token),
        ];
        let answer = Plain::default().post_form(&self.sts.url(), &fields).await;
        (answer.status.as_u16(), answer.text())
    }

    fn last_token(&self) -> String {
        self.minted.lock().unwrap().clone()
    }
}

async fn sent(request: Request<Payload<Full<Bytes>>>) -> Result<Response<String>, BoxError> {
    Ok(Response::new(request.headers()[AUTHORIZATION].to_str()?.to_owned()))
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn sts_gives_the_role_that_was_chosen_to_whoever_it_was_chosen_for() {
    let house = House::new().await;
    house.call("alice", ADMIN).await.unwrap();
    let token = house.last_token();
    let now = house.scene.hands.unix();
    let mut said = claims(&token);
    assert!(said.as_object_mut().unwrap().remove("jti").is_some_and(|jti| jti.as_str().unwrap().len() == 22));
    assert_eq!(
        said,
        json!({
            "iss": format!("{}/aws", house.server.url()),
            "sub": "login.example.com#alice",
            "aud": "sts.amazonaws.com",
            "iat": now,
            "exp": now + 300,
            TAGS: {
                "principal_tags": {"countersign-role": ["Admin"], "Team": ["data"]},
                "transitive_tag_keys": ["Team"],
            },
            SOURCE_IDENTITY: "alice",
        })
    );
    // The token is good for that role alone: the client could not choose another with it.
    let (status, said) = house.shown(&token, USER).await;
    assert!(status == 403 && said.contains("AccessDenied"), "{said}");
    assert_eq!(house.shown(&token, ADMIN).await.0, 200);
    house.call("bob", USER).await.unwrap();
    assert_eq!(claims(&house.last_token())["sub"], "login.example.com#bob");
}

#[tokio::test]
async fn neither_kind_of_token_passes_for_the_other() {
    let house = House::new().await;
    house.call("alice", ADMIN).await.unwrap();
    let minted = house.last_token();

    // An access token at STS: by itself, and dressed up as far as our own keys would let it be.
    let tokens: AccessTokens = access(&house.scene).await;
    let access = tokens.mint(&grant()).unwrap();
    let (status, said) = house.shown(&access, ADMIN).await;
    assert!(status == 400 && said.contains("InvalidIdentityToken"), "{said}");
    let dressed_up = tokens.sign_as("JWT", &claims(&minted));
    let (status, said) = house.shown(&dressed_up, ADMIN).await;
    assert!(status == 400 && said.contains("InvalidIdentityToken"), "{said}");

    // A minted token at the gateway.
    let verifier = |issuer: &str, audience: &str| {
        let ours = Issuer::new(issuer, audience).with_token_type("at+jwt").with_keys(tokens.verifying());
        Verifier::builder().trust(ours).with_clock(house.scene.clock()).build().unwrap()
    };
    let gateway = verifier("https://mcp.example.com", "https://mcp.example.com/mcp");
    gateway.verify(&access.into()).await.unwrap();
    let minted = SecretString::from(minted);
    gateway.verify(&minted).await.unwrap_err();
    // Not even at one that was told to trust its issuer and its audience: the keys are others.
    let gullible = verifier(&format!("{}/aws", house.server.url()), "sts.amazonaws.com");
    gullible.verify(&minted).await.unwrap_err();
}

#[tokio::test]
async fn keys_change_while_sts_keeps_them_and_nothing_fails() {
    let house = House::new().await;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut kids = std::collections::BTreeSet::new();
    let begun = house.read.load(Ordering::Relaxed);
    let (url, turn) = (house.server.url(), Duration::from_secs(30 * 24 * 3600));
    let clock = house.scene.clock();
    let other = WebIdentities::open(&house.scene.store, &url, Algorithm::Es256, turn, clock);
    let other = other.await.unwrap();
    let turns: u64 = 4 * 75;
    for turn in 0..turns {
        // STS reads the keys for the first of two, and has them from before for the second. Keys change in between, at
        // the one replica or the other; the other looks later, and STS may have asked the one that has not looked yet.
        for (pause, tended) in [(5 * 60 + 1, false), (29, true), (29, false)] {
            house.scene.hands.advance(minutes(pause));
            if tended {
                let [first, second] = match turn % 2 {
                    0 => [&house.identities, &other],
                    _ => [&other, &house.identities],
                };
                first.tend().await.unwrap();
                if turn == 4 * 40 {
                    assert!(first.rotate().await.unwrap());
                }
                house.scene.hands.advance(minutes(1));
                second.tend().await.unwrap();
                continue;
            }
            let replica = if pause == 29 { &other } else { &house.identities };
            house.call_through(replica, "alice", ADMIN).await.unwrap();
            kids.insert(jsonwebtoken::decode_header(house.last_token()).unwrap().kid.unwrap());
        }
    }
    assert!(kids.len() >= 4, "{} keys signed", kids.len());
    assert_eq!(house.sts.calls("AssumeRoleWithWebIdentity"), 2 * turns);
    assert!(house.sts.log().iter().all(|call| call.issued.is_some()), "0 failures");
    // Each time because an hour had passed, and never because a key was not known.
    assert_eq!(house.read.load(Ordering::Relaxed) - begun, turns);
}

#[tokio::test]
async fn what_aws_reads_says_who_we_are_there() {
    let house = House::new().await;
    let issuer = format!("{}/aws", house.server.url());
    let described = Plain::default().fetch(&format!("{issuer}{DISCOVERY}")).await;
    assert_eq!(described.header("cache-control"), "public, max-age=3600");
    let described = described.json();
    assert_eq!(
        (&described["issuer"], &described["jwks_uri"]),
        (&json!(issuer), &json!(format!("{issuer}{JWKS}")))
    );
    assert_eq!(described["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let keys = Plain::default().fetch(&format!("{issuer}{JWKS}")).await.json();
    assert!(!keys.to_string().contains("\"d\""));
    house.call("alice", ADMIN).await.unwrap();
    assert!(verified(&house.last_token(), &keys).is_some());
}

#[test]
fn a_subject_is_one_persons_and_fits() {
    assert_eq!(named("https://login.example.com", "alice"), "login.example.com#alice");
    assert_eq!(named("http://127.0.0.1:9", "auth0|x"), "http://127.0.0.1:9#auth0|x");
    assert_ne!(named("https://a.example", "b#c"), named("https://a.example/b", "c"));
    let long = |last: &str| named("https://login.example.com", &format!("{}{last}", "x".repeat(300)));
    assert!(long("a").starts_with("u-") && long("a").len() == 29);
    assert_ne!(long("a"), long("b"));
    for odd in ["Ålice", "a b", "a\nb"] {
        assert!(named("https://login.example.com", odd).starts_with("u-"), "{odd}");
    }
}

#[test]
fn tags_that_aws_would_refuse_or_that_are_ours_are_refused() {
    let tag = |key: &str| (key.to_owned(), "x".to_owned());
    for key in ["countersign-role", "Countersign-Role"] {
        let refused = tags(ADMIN, &[tag(key)], &[]).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidStsRequest, "{key}");
    }
    let many: Vec<_> = (0..50).map(|nth| tag(&format!("t{nth}"))).collect();
    assert!(tags(ADMIN, &many, &[]).is_err() && tags(ADMIN, &many[..49], &[]).is_ok());
    assert!(tags("arn:aws:iam::123456789012:role/a,b", &[], &[]).is_err());
    assert_eq!(tags(ADMIN, &[], &[]).unwrap(), json!({"principal_tags": {"countersign-role": ["Admin"]}}));
}
