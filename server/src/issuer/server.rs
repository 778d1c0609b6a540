//! The authorization server as a whole: put together from its configuration, over a store.

use super::{
    access::AccessTokens,
    authorize::Offer,
    beginnings::Beginnings,
    browsing,
    client::{Client, Clients, Described, GrantType, Limits, Proof},
    code::Codes,
    consent::Consents,
    endpoints,
    error::Fault,
    family::Families,
    fetch::Fetcher,
    journey::Journeys,
    keys::{Algorithm, Keys, Purpose, Schedule},
    metadata::TOKEN,
    reach::Reach,
    revocation::{Kept, Revocations, Whose},
    secret::Mark,
    services::{Services, Trusted, TrustedIssuer},
    sign_in::SignIn,
    ticket::Tickets,
    token::TokenEndpoint,
    web_identity::WebIdentities,
};
use crate::{
    config::{authorization_server as config, raw},
    federation::{Renewal, Upstreams},
    store::{Connections, Store},
};
use axum::Router;
use countersign::{
    clock::Clock,
    identity::{self, LocalKeys, Verifier},
};
use futures_util::future::join;
use secrecy::ExposeSecret;
use std::{sync::Arc, time::Duration};

/// Signs people in, and gives clients tokens.
#[derive(Debug)]
pub(crate) struct AuthorizationServer {
    issuer: String,
    resource: String,
    sign_in: SignIn,
    token: TokenEndpoint,
    keys: Arc<Keys>,
    /// The public halves, where the gateway in this process looks for them.
    published: LocalKeys,
    web_identities: WebIdentities,
    revocations: Revocations,
    open: bool,
}

const HOUR: Duration = Duration::from_secs(3600);
/// How long others may keep the key set, and an hour: a key is known to everybody by then.
const NOTICE: Duration = Duration::from_secs(2 * 3600);
/// How often is looked after the keys.
const TENDING: Duration = Duration::from_secs(60);
/// How long a person may take to sign in.
const PATIENCE: Duration = Duration::from_secs(600);

impl AuthorizationServer {
    /// The server that `config` describes, which is `issuer` and gives tokens for `resource`.
    pub(crate) async fn open(
        config: config::AuthorizationServer,
        store: &Store,
        issuer: &str,
        resource: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fault> {
        let config::AuthorizationServer {
            upstreams,
            claims,
            clients,
            scopes,
            mut resources,
            trusted,
            registration,
            sign_ins,
            lifetimes,
            algorithm,
            turn,
        } = config;
        let algorithm = match algorithm {
            raw::Algorithm::Es256 => Algorithm::Es256,
            raw::Algorithm::Rs256 => Algorithm::Rs256,
        };
        let schedule = Schedule { turn, notice: NOTICE, memory: lifetimes.access + HOUR };
        let keys = Keys::open(store.clone(), Purpose::Access, algorithm, schedule, clock.clone()).await?;
        let keys = Arc::new(keys);
        let web_identities = WebIdentities::open(store, issuer, algorithm, turn, clock.clone()).await?;
        let limits = Limits {
            idle: registration.idle,
            from_one_address: registration.hourly_from_one_address,
            from_anywhere: registration.hourly,
        };
        let clients = Clients::new(clients.into_iter().map(named), store.clone(), limits, clock.clone());
        let clients = if registration.documents {
            let reach = match registration.loopback_documents {
                true => Reach::PublicAndLoopback,
                false => Reach::Public,
            };
            let fetcher = Fetcher::new(reach)
                .map_err(|_| Fault::defect("this machine trusts no certificates to fetch documents with"))?;
            let audiences = [issuer, &format!("{issuer}{TOKEN}")];
            clients.with_described(Described::new(fetcher, audiences, store.clone(), clock.clone()))
        } else {
            clients
        };
        // Our own endpoint first: it is what a token is for where nobody says.
        resources.insert(0, resource.to_owned());
        let offer = Arc::new(Offer { issuer: issuer.to_owned(), resources, scopes });
        let codes = Codes::new(store.clone(), lifetimes.code);
        let sign_in = SignIn {
            offer,
            clients: clients.clone(),
            codes: codes.clone(),
            journeys: Journeys::new(store.clone(), PATIENCE),
            beginnings: Beginnings::new(sign_ins, clock.clone()),
            consents: Consents::new(store.clone()),
            tickets: Tickets::new(store.clone(), clock.clone()),
            upstreams: Upstreams::new(upstreams, &claims, &clock),
            connections: Connections::new(store.clone()),
            claims: claims.into(),
        };
        let families = Families::new(store.clone(), lifetimes.refresh);
        let access = AccessTokens::new(issuer, keys.clone(), lifetimes.access, clock.clone());
        let published = access.verifying();
        let services = Services::new(
            sign_in.offer.clone(),
            published.clone(),
            families.clone(),
            store.clone(),
            clock.clone(),
        )?;
        let trusted = trusted
            .into_iter()
            .map(|trusted| believed(trusted, issuer, &clock))
            .collect::<Result<Vec<_>, _>>()?;
        let kept = Kept {
            clients: clients.clone(),
            codes: codes.clone(),
            families: families.clone(),
            consents: sign_in.consents.clone(),
            connections: sign_in.connections.clone(),
        };
        let revocations = Revocations::new(store.clone(), issuer, kept, clock);
        let services = services.trusting(Trusted::new(trusted)).heeding(revocations.clone());
        let families = families.telling(revocations.clone());
        let token = TokenEndpoint { clients, codes, families, access, services };
        let (issuer, resource) = (issuer.to_owned(), resource.to_owned());
        Ok(Self {
            issuer,
            resource,
            sign_in,
            token,
            keys,
            published,
            web_identities,
            revocations,
            open: registration.open,
        })
    }

    /// Its tokens, as the gateway in this process verifies them: nothing is fetched.
    pub(crate) fn trusted(&self) -> identity::Issuer {
        identity::Issuer::new(&self.issuer, &self.resource)
            .with_token_type("at+jwt")
            .with_keys(self.published.clone())
    }

    /// What renews the tokens of its upstreams.
    pub(crate) fn renewal(&self) -> Renewal {
        self.sign_in.upstreams.renewal()
    }

    /// What makes tokens for STS.
    pub(crate) fn web_identities(&self) -> WebIdentities {
        self.web_identities.clone()
    }

    /// What leads people to where they connect an account.
    pub(crate) fn tickets(&self) -> Tickets {
        self.sign_in.tickets.clone()
    }

    /// What browsers are sent to.
    pub(crate) fn pages(&self) -> Router {
        browsing::router(self.sign_in.clone())
    }

    /// What clients call themselves.
    pub(crate) fn endpoints(&self) -> Router {
        endpoints::router(self.token.clone(), self.sign_in.offer.clone(), self.open)
            .merge(self.web_identities.documents())
    }

    /// Publishes other keys, which sign as soon as everybody has fetched them. `false` where that was under way already.
    pub(crate) async fn rotate(&self) -> Result<bool, Fault> {
        let (access, web_identities) = (self.keys.rotate().await?, self.web_identities.rotate().await?);
        Ok(access || web_identities)
    }

    /// What ends sign-ins before their time.
    pub(crate) fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    /// Looks after the keys, and heeds what other replicas end, for as long as it is polled. `forget` is told whose
    /// credentials, and by which issuer, are not to be used any more.
    pub(crate) async fn tend(&self, forget: impl Fn(&str, &Whose)) {
        join(self.tend_keys(), self.revocations.heed(forget)).await;
    }

    async fn tend_keys(&self) {
        loop {
            tokio::time::sleep(TENDING).await;
            for tended in [self.keys.tend().await, self.web_identities.tend().await] {
                if let Err(fault) = tended {
                    tracing::error!(error = %fault, "the signing keys could not be looked after");
                }
            }
        }
    }
}

fn named(client: config::NamedClient) -> Client {
    let config::NamedClient { id, name, redirects, secret, grants } = client;
    let proof = secret.map_or(Proof::None, |secret| Proof::Secret(Mark::of(secret.expose_secret())));
    let grants = grants.into_iter().map(|grant| match grant {
        raw::Grant::AuthorizationCode => GrantType::AuthorizationCode,
        raw::Grant::RefreshToken => GrantType::RefreshToken,
        raw::Grant::ClientCredentials => GrantType::ClientCredentials,
        raw::Grant::TokenExchange => GrantType::TokenExchange,
        raw::Grant::JwtBearer => GrantType::JwtBearer,
    });
    Client { id, name, redirects, proof, grants: grants.collect() }
}

/// An issuer whose word counts here, at the server that is `issuer`.
fn believed(
    trusted: config::TrustedIssuer,
    issuer: &str,
    clock: &Arc<dyn Clock>,
) -> Result<TrustedIssuer, Fault> {
    let config::TrustedIssuer { name, assertions, subject_audience, claims, scopes } = trusted;
    let verifier = |issuer| Verifier::builder().trust(issuer).with_clock(clock.clone()).build();
    let unfit = |_| Fault::defect("an issuer cannot be trusted that could be when it was read");
    let for_us = identity::Issuer::new(&name, issuer).with_audience(format!("{issuer}{TOKEN}"));
    let assertions = assertions.then(|| verifier(for_us)).transpose().map_err(unfit)?;
    let subjects = subject_audience.map(|audience| verifier(identity::Issuer::new(&name, audience)));
    let subjects = subjects.transpose().map_err(unfit)?;
    Ok(TrustedIssuer { name, assertions, subjects, claims, scopes })
}
