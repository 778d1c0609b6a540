use super::*;
use crate::{
    issuer::{
        consent::Consents,
        error::Problem,
        revocation::{Kept, Whose},
        testing::{Scene, grant, offer, token_endpoint, verified},
        token::TokenEndpoint,
    },
    store::Connections,
};
use countersign::identity::{Issuer, Verifier};
use countersign_fixtures::keys::{Algorithm, SigningKey, jws};
use serde_json::json;
use url::form_urlencoded::Serializer;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const IDP: &str = "https://login.example.com";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The token endpoint, and an identity provider whose word counts there.
struct House {
    scene: Scene,
    endpoint: TokenEndpoint,
    idp: SigningKey,
}

impl House {
    async fn new() -> Self {
        let (scene, idp) = (Scene::new(), SigningKey::generate(Algorithm::RS256, "idp"));
        let mut endpoint = token_endpoint(&scene).await;
        let keys = LocalKeys::parse(&json!({"keys": [idp.public_jwk()]}).to_string()).unwrap();
        let verifier = |issuer: Issuer| {
            let issuer = issuer.with_keys(keys.clone());
            Some(Verifier::builder().trust(issuer).with_clock(scene.clock()).build().unwrap())
        };
        let trusted = TrustedIssuer {
            name: IDP.into(),
            assertions: verifier(
                Issuer::new(IDP, "https://mcp.example.com")
                    .with_audience("https://mcp.example.com/oauth/token"),
            ),
            subjects: verifier(Issuer::new(IDP, "api")),
            claims: ["groups".to_owned()].into(),
            scopes: ["mcp:read".to_owned(), "other".to_owned()].into(),
        };
        endpoint.services = endpoint.services.trusting(Trusted::new([trusted]));
        Self { scene, endpoint, idp }
    }

    /// A form from a service, with `parameters` besides.
    async fn ask(&self, who: &str, parameters: &[(&str, &str)]) -> Result<Value, Refusal> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("client_id", who)]);
        if who != "careless" {
            form.extend_pairs([("client_secret", "word")]);
        }
        form.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        match self.endpoint.answer(None, form.finish().as_bytes()).await {
            Ok(answer) => Ok(answer),
            Err(Problem::Refused(refusal)) => Err(refusal),
            Err(Problem::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Exchanges `subject`, with other parameters in place of the usual ones.
    async fn exchange(&self, who: &str, subject: &str, others: &[(&str, &str)]) -> Result<Value, Refusal> {
        let mut parameters =
            vec![("grant_type", EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
        parameters.retain(|(name, _)| !others.iter().any(|(other, _)| name == other));
        parameters.extend(others);
        self.ask(who, &parameters).await
    }

    async fn redeem(&self, claims: &Value, others: &[(&str, &str)]) -> Result<Value, Refusal> {
        let assertion = self.idp.jwt(&json!({"alg": "RS256", "kid": "idp"}), claims);
        let mut parameters = vec![("grant_type", BEARER), ("assertion", assertion.as_str())];
        parameters.extend(others);
        self.ask("service", &parameters).await
    }

    fn claims_of(&self, answer: &Value) -> Value {
        verified(answer["access_token"].as_str().unwrap(), &self.endpoint.access.jwks()).unwrap()
    }

    /// A person's token, of a sign-in that goes on.
    async fn persons(&self, change: impl FnOnce(&mut Grant)) -> String {
        let mut grant = grant();
        grant.scopes.insert("mcp:write".into());
        grant.claims.insert("groups".into(), json!(["admins"]));
        change(&mut grant);
        self.endpoint.families.begin("family", &grant).await.unwrap();
        self.endpoint.access.mint(&grant).unwrap()
    }

    fn assertion(&self, id: &str) -> Value {
        let now = self.scene.hands.unix();
        json!({
            "iss": IDP, "sub": "alice", "aud": "https://mcp.example.com", "jti": id, "iat": now, "exp": now + 300,
            "groups": ["admins"], "email": "alice@example.com",
        })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_service_gets_a_token_for_itself_and_nothing_that_lasts() {
    let house = House::new().await;
    let answer =
        house.ask("service", &[("grant_type", "client_credentials"), ("scope", "mcp:read")]).await.unwrap();
    assert_eq!((&answer["expires_in"], &answer["scope"]), (&json!(3600), &json!("mcp:read")));
    assert_eq!((answer.get("refresh_token"), answer.get("issued_token_type")), (None, None));
    let claims = house.claims_of(&answer);
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["aud"]),
        (&json!("client:service"), &json!("service"), &json!(RESOURCE))
    );
    assert_eq!((claims.get("sid"), claims.get("act")), (None, None));
    let own = house.endpoint.services.own.live(text(&answer["access_token"])).await.unwrap();
    assert_eq!(own.unwrap().subject(), "client:service");
}

#[tokio::test]
async fn only_services_that_the_operator_allowed_and_that_prove_it() {
    let house = House::new().await;
    for grant_type in ["client_credentials", EXCHANGE, BEARER] {
        let refused =
            house.ask("careless", &[("grant_type", grant_type), ("assertion", "x")]).await.unwrap_err();
        let expected = if grant_type == BEARER { Code::InvalidGrant } else { Code::UnauthorizedClient };
        assert_eq!(refused.code(), expected, "{grant_type}");
        let body = format!("grant_type={grant_type}&client_id=client");
        match house.endpoint.answer(None, body.as_bytes()).await {
            Err(Problem::Refused(refusal)) => assert_eq!(refusal.code(), Code::UnauthorizedClient),
            other => panic!("{other:?}"),
        }
    }
    for grant_type in ["authorization_code", "refresh_token"] {
        let refused = house.ask("service", &[("grant_type", grant_type), ("code", "x")]).await.unwrap_err();
        assert_eq!(refused.code(), Code::UnauthorizedClient, "{grant_type}");
    }
    for (parameter, value, code) in [
        ("scope", "root", Code::InvalidScope),
        ("resource", "https://elsewhere.example", Code::InvalidTarget),
        ("client_secret", "wrong", Code::InvalidRequest),
    ] {
        let refused = house.ask("service", &[("grant_type", "client_credentials"), (parameter, value)]).await;
        assert_eq!(refused.unwrap_err().code(), code, "{parameter}");
    }
}

#[tokio::test]
async fn a_service_that_was_called_goes_on_in_the_callers_name_and_that_shows() {
    let house = House::new().await;
    let token = house.persons(|_| ()).await;
    let answer = house.exchange("service", &token, &[("scope", "mcp:read")]).await.unwrap();
    assert_eq!(
        (&answer["issued_token_type"], &answer["token_type"], &answer["expires_in"], &answer["scope"]),
        (&json!(ACCESS_TOKEN), &json!("Bearer"), &json!(900), &json!("mcp:read"))
    );
    assert_eq!(answer.get("refresh_token"), None);
    let claims = house.claims_of(&answer);
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["groups"], &claims["sid"]),
        (&json!("alice"), &json!("service"), &json!(["admins"]), &json!("session"))
    );
    assert_eq!(claims["act"], json!({"iss": "https://mcp.example.com", "sub": "client:service"}));
    // The next one, with everything that the first one granted.
    let next = house.exchange("helper", text(&answer["access_token"]), &[]).await.unwrap();
    assert_eq!(next["scope"], "mcp:read");
    let act = &house.claims_of(&next)["act"];
    assert_eq!((&act["sub"], &act["act"]["sub"]), (&json!("client:helper"), &json!("client:service")));
    // Whoever signs out takes all of that along.
    house.endpoint.families.end("family", "session").await.unwrap();
    for token in [&answer, &next] {
        let token = text(&token["access_token"]);
        assert!(house.endpoint.services.own.live(token).await.unwrap().is_none());
        assert!(house.exchange("helper", token, &[]).await.is_err());
    }
}

#[tokio::test]
async fn what_was_ended_gives_nothing_any_more_also_where_nobody_signed_in() {
    let mut house = House::new().await;
    let (store, endpoint) = (house.scene.store.clone(), house.endpoint.clone());
    let kept = Kept {
        clients: endpoint.clients,
        codes: endpoint.codes,
        families: endpoint.families,
        consents: Consents::new(store.clone()),
        connections: Connections::new(store.clone()),
    };
    let revocations = Revocations::new(store, "https://mcp.example.com", kept, house.scene.clock());
    house.endpoint.services = house.endpoint.services.clone().heeding(revocations.clone());
    let redeemed = house.redeem(&house.assertion("1"), &[]).await.unwrap();
    let own = house.ask("helper", &[("grant_type", "client_credentials")]).await.unwrap();
    let tokens = [redeemed, own].map(|answer| text(&answer["access_token"]).to_owned());
    for (token, whose) in
        tokens.iter().zip([Whose::Person(subject::stable(IDP, "alice")), Whose::Client("helper".into())])
    {
        house.exchange("service", token, &[]).await.unwrap();
        revocations.revoke(whose.clone()).await.unwrap();
        let refused = house.exchange("service", token, &[]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidRequest, "{whose:?}");
        assert!(house.endpoint.services.own.live(token).await.unwrap().is_none(), "{whose:?}");
    }
}

#[tokio::test]
async fn it_ends_with_what_it_came_of() {
    let house = House::new().await;
    let token = house.persons(|_| ()).await;
    house.scene.hands.advance(Duration::from_secs(3000));
    let answer = house.exchange("service", &token, &[]).await.unwrap();
    assert_eq!(answer["expires_in"], 600);
    let claims = house.claims_of(&answer);
    assert_eq!(claims["exp"], verified(&token, &house.endpoint.access.jwks()).unwrap()["exp"]);
    house.scene.hands.advance(Duration::from_secs(600));
    assert_eq!(house.exchange("service", &token, &[]).await.unwrap_err().code(), Code::InvalidRequest);
}

#[tokio::test]
async fn nobody_gets_more_than_they_came_with_or_somewhere_else() {
    let house = House::new().await;
    let token = house.persons(|grant| grant.scopes = ["mcp:read".to_owned()].into()).await;
    for (others, code) in [
        (&[("scope", "mcp:read mcp:write")][..], Code::InvalidScope),
        (&[("scope", "root")], Code::InvalidScope),
        (&[("audience", "https://elsewhere.example")], Code::InvalidTarget),
        (&[("resource", "https://elsewhere.example")], Code::InvalidTarget),
        (&[("audience", RESOURCE), ("resource", "https://elsewhere.example")], Code::InvalidTarget),
        (&[("resource", RESOURCE), ("resource", "https://elsewhere.example")], Code::InvalidTarget),
        (&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], Code::InvalidRequest),
        (&[("subject_token_type", "")], Code::InvalidRequest),
        (&[("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")], Code::InvalidRequest),
        (&[("subject_token_type", "urn:ietf:params:oauth:token-type:id_token")], Code::InvalidRequest),
        (&[("subject_token", "")], Code::InvalidRequest),
        (&[("subject_token", "a.b.c")], Code::InvalidRequest),
        (&[("actor_token", "a.b.c"), ("actor_token_type", ACCESS_TOKEN)], Code::InvalidRequest),
        (&[("actor_token", &token)], Code::InvalidRequest),
        (&[("actor_token_type", ACCESS_TOKEN)], Code::InvalidRequest),
    ] {
        let refused = house.exchange("service", &token, others).await.unwrap_err();
        assert_eq!(refused.code(), code, "{others:?}: {}", refused.what());
    }
    let answer =
        house.exchange("service", &token, &[("audience", RESOURCE), ("resource", RESOURCE)]).await.unwrap();
    assert_eq!((&house.claims_of(&answer)["aud"], &answer["scope"]), (&json!(RESOURCE), &json!("mcp:read")));
}

#[tokio::test]
async fn an_actor_shows_a_token_of_its_own() {
    let house = House::new().await;
    let persons = house.persons(|_| ()).await;
    let of = async |who: &str| {
        let answer = house.ask(who, &[("grant_type", "client_credentials")]).await.unwrap();
        text(&answer["access_token"]).to_owned()
    };
    let (own, others) = (of("service").await, of("helper").await);
    let acting =
        |token: &str| [("actor_token", token.to_owned()), ("actor_token_type", ACCESS_TOKEN.to_owned())];
    let with = async |token: &str| {
        let [one, other] = acting(token);
        house.exchange("service", &persons, &[(one.0, &one.1), (other.0, &other.1)]).await
    };
    let answer = with(&own).await.unwrap();
    assert_eq!(house.claims_of(&answer)["act"]["sub"], "client:service");
    assert!(with(&others).await.is_err(), "made for another service");
    assert!(with(&persons).await.is_err(), "made for the person's client");
    assert!(with(text(&answer["access_token"])).await.is_err(), "somebody acts there already");
}

#[tokio::test]
async fn a_chain_of_actors_has_an_end() {
    let house = House::new().await;
    let mut token = house.persons(|_| ()).await;
    for turn in 0..10 {
        let who = if turn % 2 == 0 { "service" } else { "helper" };
        token = text(&house.exchange(who, &token, &[]).await.unwrap()["access_token"]).to_owned();
    }
    let refused = house.exchange("service", &token, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidRequest);
    assert!(refused.what().contains("too often"), "{}", refused.what());
    // One that an issuer made too long already.
    let now = house.scene.hands.unix();
    let mut claims = json!({"iss": IDP, "sub": "alice", "aud": "api", "exp": now + 60});
    for _ in 0..50 {
        claims["act"] = json!({"sub": "x", "act": claims["act"]});
    }
    let deep = house.idp.jwt(&json!({"alg": "RS256", "kid": "idp"}), &claims);
    assert!(house.exchange("service", &deep, &[]).await.is_err());
}

#[tokio::test]
async fn a_trusted_issuers_token_is_exchanged_as_far_as_its_word_goes() {
    let house = House::new().await;
    let now = house.scene.hands.unix();
    let mint = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "iss": IDP, "sub": "alice", "aud": "api", "exp": now + 300, "scope": "mcp:read mcp:write other",
            "groups": ["admins"], "email": "a@example.com", "sid": "session",
        });
        change(&mut claims);
        house.idp.jwt(&json!({"alg": "RS256", "kid": "idp"}), &claims)
    };
    let answer = house.exchange("service", &mint(&|_| ()), &[]).await.unwrap();
    assert_eq!((&answer["scope"], &answer["expires_in"]), (&json!("mcp:read"), &json!(300)));
    let claims = house.claims_of(&answer);
    assert_eq!(
        (&claims["sub"], &claims["groups"], claims.get("email"), claims.get("sid")),
        (&json!(subject::stable(IDP, "alice")), &json!(["admins"]), None, None)
    );
    let let_in = mint(&|claims| claims["may_act"] = json!({"sub": "client:service"}));
    let answer = house.exchange("service", &let_in, &[]).await.unwrap();
    assert_eq!(house.claims_of(&answer).get("may_act"), None);
    assert_eq!(house.exchange("helper", &let_in, &[]).await.unwrap_err().code(), Code::InvalidRequest);
    for bad in [
        mint(&|claims| claims["aud"] = json!("elsewhere")),
        mint(&|claims| claims["exp"] = json!(now - 60)),
        mint(&|claims| claims["iss"] = json!("https://evil.example")),
        mint(&|claims| claims["iss"] = json!("https://mcp.example.com")),
        SigningKey::generate(Algorithm::RS256, "idp").jwt(
            &json!({"alg": "RS256", "kid": "idp"}),
            &json!({"iss": IDP, "sub": "a", "aud": "api", "exp": now + 60}),
        ),
        jws(&json!({"alg": "none"}), &json!({"iss": IDP, "sub": "a", "aud": "api", "exp": now + 60}), |_| {
            Vec::new()
        }),
    ] {
        assert_eq!(house.exchange("service", &bad, &[]).await.unwrap_err().code(), Code::InvalidRequest);
    }
}

#[tokio::test]
async fn whom_a_trusted_issuer_vouches_for_is_let_in_once() {
    let house = House::new().await;
    let answer = house.redeem(&house.assertion("1"), &[]).await.unwrap();
    assert_eq!((&answer["scope"], &answer["expires_in"]), (&json!("mcp:read"), &json!(3600)));
    assert_eq!((answer.get("refresh_token"), answer.get("issued_token_type")), (None, None));
    let claims = house.claims_of(&answer);
    assert_eq!(
        (&claims["sub"], &claims["groups"], claims.get("email"), &claims["client_id"]),
        (&json!(subject::stable(IDP, "alice")), &json!(["admins"]), None, &json!("service"))
    );
    let again = house.redeem(&house.assertion("1"), &[]).await.unwrap_err();
    assert_eq!(again.code(), Code::InvalidGrant);
    assert!(again.what().contains("used before"), "{}", again.what());
    // A refusal spends nothing.
    let refused = house.redeem(&house.assertion("2"), &[("scope", "mcp:write")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidScope);
    house.redeem(&house.assertion("2"), &[]).await.unwrap();
}

#[tokio::test]
async fn an_assertion_that_is_not_meant_for_this_is_refused() {
    let house = House::new().await;
    let now = house.scene.hands.unix();
    for (name, value, code) in [
        ("aud", json!("https://elsewhere.example/token"), Code::InvalidGrant),
        ("aud", json!(["https://mcp.example.com", "https://elsewhere.example"]), Code::InvalidGrant),
        ("aud", json!(RESOURCE), Code::InvalidGrant),
        ("iss", json!("https://evil.example"), Code::InvalidGrant),
        ("iss", json!("https://mcp.example.com"), Code::InvalidGrant),
        ("sub", json!(""), Code::InvalidGrant),
        ("sub", json!(null), Code::InvalidGrant),
        ("exp", json!(now - 60), Code::InvalidGrant),
        ("exp", json!(now + 4000), Code::InvalidGrant),
        ("exp", json!(null), Code::InvalidGrant),
        ("jti", json!(null), Code::InvalidGrant),
        ("jti", json!(7), Code::InvalidGrant),
        ("client_id", json!("another"), Code::InvalidGrant),
        ("resource", json!("https://elsewhere.example"), Code::InvalidTarget),
    ] {
        let mut claims = house.assertion("1");
        claims[name] = value.clone();
        let refused = house.redeem(&claims, &[]).await.unwrap_err();
        assert_eq!(refused.code(), code, "{name} {value}: {}", refused.what());
    }
    // An identity assertion for this client, resource and scope.
    let mut claims = house.assertion("1");
    claims["client_id"] = json!("service");
    claims["resource"] = json!([RESOURCE]);
    claims["scope"] = json!("mcp:read mcp:write");
    claims["aud"] = json!(["https://mcp.example.com/oauth/token"]);
    assert_eq!(house.redeem(&claims, &[]).await.unwrap()["scope"], "mcp:read");
    // What is signed with a public key as if it were a secret.
    let hmac = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        house.idp.public_jwk().to_string().as_bytes(),
    );
    let confused = jws(&json!({"alg": "HS256", "kid": "idp"}), &house.assertion("9"), |message| {
        aws_lc_rs::hmac::sign(&hmac, message).as_ref().to_vec()
    });
    let refused =
        house.ask("service", &[("grant_type", BEARER), ("assertion", &confused)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidGrant);
    // Nor does a token of ours stand for anybody there.
    let own = house.persons(|_| ()).await;
    assert!(house.ask("service", &[("grant_type", BEARER), ("assertion", &own)]).await.is_err());
    assert_eq!(offer().resources, [RESOURCE]);
}
