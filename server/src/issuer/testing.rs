//! What the tests here have in common.

use super::{
    access::AccessTokens,
    authorize::{Asked, Offer},
    client::{Client, Clients, GrantType, Limits, Proof},
    code::{Codes, Issued},
    family::Families,
    grant::Grant,
    keys::{Algorithm, Keys, Purpose, Schedule},
    pkce::Challenge,
    redirect::Redirect,
    secret::Mark,
    services::Services,
    token::TokenEndpoint,
};
use crate::store::{Memory, Seal, SealingKey, Store};
use countersign::clock::Clock;
use countersign_fixtures::clock;
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A store, and the time it goes by.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) hands: clock::Clock,
}

#[derive(Debug)]
struct Hands(clock::Clock);

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

impl Scene {
    pub(super) fn new() -> Self {
        Self::sealed_with(7)
    }

    pub(super) fn sealed_with(byte: u8) -> Self {
        let hands = clock::Clock::default();
        let memory = Memory::new(Arc::new(Hands(hands.clone())), 10_000);
        let seal = Seal::new(SealingKey::new(&[byte; 32]).unwrap(), Vec::new());
        Self { store: Store::in_memory(memory, seal), hands }
    }

    /// Over a store that others have as well.
    pub(super) fn over(store: Store) -> Self {
        Self { store, hands: clock::Clock::default() }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(Hands(self.hands.clone()))
    }
}

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// What [`VERIFIER`] meets.
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const ISSUER: &str = "https://mcp.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const HOUR: Duration = Duration::from_secs(3600);

/// One client without a secret, and one with; two services, and one that keeps no secret.
pub(super) fn clients(scene: &Scene) -> Clients {
    let client = |id: &str, proof| Client {
        id: id.into(),
        name: None,
        redirects: vec![Redirect::parse("https://client.example/callback").unwrap()],
        proof,
        grants: GrantType::for_people(),
    };
    let limits = Limits { idle: 24 * HOUR, from_one_address: 100, from_anywhere: 1_000 };
    let service = |id: &str, proof| Client {
        redirects: Vec::new(),
        grants: [GrantType::ClientCredentials, GrantType::TokenExchange, GrantType::JwtBearer].into(),
        ..client(id, proof)
    };
    let named = [
        client("client", Proof::None),
        client("confidential", Proof::Secret(Mark::of("s ecret"))),
        service("service", Proof::Secret(Mark::of("word"))),
        service("helper", Proof::Secret(Mark::of("word"))),
        service("careless", Proof::None),
    ];
    Clients::new(named, scene.store.clone(), limits, scene.clock())
}

pub(super) fn offer() -> Offer {
    let scopes = ["mcp:read", "mcp:write"].map(str::to_owned).into();
    Offer { issuer: ISSUER.into(), resources: vec![RESOURCE.into()], scopes }
}

/// A good request.
pub(super) async fn asked(scene: &Scene) -> Asked {
    let query =
        format!("response_type=code&client_id=client&code_challenge={CHALLENGE}&code_challenge_method=S256");
    Asked::read(query.as_bytes(), &clients(scene), &offer()).await.unwrap()
}

pub(super) async fn access(scene: &Scene) -> AccessTokens {
    let schedule = Schedule { turn: 720 * HOUR, notice: 2 * HOUR, memory: HOUR };
    let (store, purpose) = (scene.store.clone(), Purpose::Access);
    let keys = Keys::open(store, purpose, Algorithm::Es256, schedule, scene.clock()).await.unwrap();
    AccessTokens::new(ISSUER, Arc::new(keys), HOUR, scene.clock())
}

pub(super) async fn token_endpoint(scene: &Scene) -> TokenEndpoint {
    let (access, families) = (access(scene).await, Families::new(scene.store.clone(), 168 * HOUR));
    let services = Services::new(
        Arc::new(offer()),
        access.verifying(),
        families.clone(),
        scene.store.clone(),
        scene.clock(),
    );
    TokenEndpoint {
        clients: clients(scene),
        codes: Codes::new(scene.store.clone(), Duration::from_secs(60)),
        families,
        access,
        services: services.unwrap(),
    }
}

pub(super) fn grant() -> Grant {
    Grant {
        client: "client".into(),
        subject: "alice".into(),
        resource: RESOURCE.into(),
        scopes: BTreeSet::from(["mcp:read".into()]),
        claims: Map::new(),
        session: "session".into(),
    }
}

pub(super) fn issued() -> Issued {
    Issued {
        grant: grant(),
        redirect: Redirect::parse("https://client.example/callback").unwrap(),
        redirect_named: true,
        challenge: Challenge::parse(CHALLENGE).unwrap(),
        family: "family".into(),
    }
}

/// The claims of a token that `jwks` verifies, whatever they say.
pub(super) fn verified(token: &str, jwks: &Value) -> Option<Value> {
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwk = set.find(&header.kid?)?;
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|token| token.claims)
}
