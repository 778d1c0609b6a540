//! Providers that describe themselves.
//!
//! A provider is asked for its description when it is needed first, so that one that is down keeps nobody else from
//! starting, and again when that is an hour old, or when an ID token is signed with a key that was not in it.

use super::{
    Arrival, Departure, Person, Trip,
    error::Error,
    oauth2::{departure, redeem, trip},
    userinfo,
};
use crate::config::authorization_server::{self as config, endpoint_at};
use axum::http::{Request, Response};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign::{
    clock::Clock,
    fetch::{Fetcher, Unanswered},
    tokens::{Connection, OAuthCodes, OAuthRefresh},
};
use futures_util::future::BoxFuture;
use http_body_util::Full;
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalProviderMetadata, AsyncHttpClient, ClaimsVerificationError,
    ClientId, IssuerUrl, Nonce, PkceCodeChallenge, ProviderMetadata, SignatureVerificationError,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreIdToken,
        CoreIdTokenVerifier, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::Mutex;

#[derive(Debug)]
pub(super) struct Oidc {
    provider: config::Oidc,
    /// The claims that somebody looks for.
    wanted: BTreeSet<String>,
    clock: Arc<dyn Clock>,
    described: Mutex<Knowledge>,
}

/// What is known of what the provider says of itself.
#[derive(Debug)]
enum Knowledge {
    /// Nothing, and when it was asked in vain.
    Nothing(Option<SystemTime>),
    /// This, and when it is as if it was said.
    Said(Arc<Described>, SystemTime),
}

/// What the provider said of itself.
#[derive(Debug)]
struct Described {
    metadata: Metadata,
    codes: OAuthCodes,
    refresh: OAuthRefresh,
}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

/// How long a description is good.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How long at least between two attempts, where keys are not known or a provider does not answer.
const PAUSE: Duration = Duration::from_secs(10);
/// The same where nothing is known of it, and nobody can sign in: shorter, as they wait for it. Whoever comes meanwhile
/// hears what came of the last attempt, however long that took.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// What ID tokens may be signed with: whoever has the public key can make no signature.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

impl Oidc {
    pub(super) fn new(provider: config::Oidc, wanted: BTreeSet<String>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, wanted, clock, described: Mutex::new(Knowledge::Nothing(None)) }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    pub(super) async fn depart(&self, redirect: &str, state: &str) -> Result<Departure, Error> {
        let described = self.described(GOOD_FOR).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = Nonce::new_random();
        let (authorize, client) =
            (described.metadata.authorization_endpoint().url(), &self.provider.client_id);
        let asked = &self.provider.asked;
        let url = departure(authorize, client, redirect, state, &challenge, Some(nonce.secret()), asked);
        Ok(Departure { url, trip: trip(&verifier, nonce.secret().clone()) })
    }

    /// An answer that says whose it is has to be this provider's; one that does not is only believed where the provider
    /// does not promise to say it.
    pub(super) async fn check_issuer(&self, told: Option<&str>) -> Result<(), Error> {
        let promised = match told {
            Some(_) => true,
            None => {
                let extra = self.described(GOOD_FOR).await?;
                extra.metadata.additional_metadata().authorization_response_iss_parameter_supported
            }
        };
        if promised && told != Some(self.issuer()) {
            return Err(Error::unbelievable("the answer is another issuer's"));
        }
        Ok(())
    }

    pub(super) async fn arrive(
        &self,
        code: &SecretString,
        redirect: &str,
        trip: &Trip,
    ) -> Result<Arrival, Error> {
        let described = self.described(GOOD_FOR).await?;
        let connection = redeem(&described.codes, code, redirect, trip).await?;
        let claims = match verified(&described, self, &connection, trip) {
            Err(Unverified::UnknownKey) => {
                let described = self.described(PAUSE).await?;
                verified(&described, self, &connection, trip)
            }
            claims => claims,
        };
        let mut claims = claims?;
        let subject = text(&claims, "sub")?;
        self.add_userinfo(&described, &connection, &subject, &mut claims).await?;
        let person = Person { issuer: self.issuer().to_owned(), subject, claims: claims.clone() };
        Ok(Arrival { connection: connection.with_claims(claims), person: Some(person) })
    }

    pub(super) async fn refresh(&self) -> Result<OAuthRefresh, Error> {
        Ok(self.described(GOOD_FOR).await?.refresh.clone())
    }

    /// Asks for what an ID token does not say and somebody looks for.
    async fn add_userinfo(
        &self,
        described: &Described,
        connection: &Connection,
        subject: &str,
        claims: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let url = described.metadata.userinfo_endpoint();
        let Some(url) = url.filter(|_| self.wanted.iter().any(|name| !claims.contains_key(name))) else {
            return Ok(());
        };
        let said = userinfo::ask(&self.provider.fetcher, url.as_str(), connection.access_token()).await?;
        if said.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Error::unbelievable("the userinfo endpoint speaks of somebody else"));
        }
        for (name, value) in said {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// The description that is no older than `age`; an older one where there is no newer.
    async fn described(&self, age: Duration) -> Result<Arc<Described>, Error> {
        let mut described = self.described.lock().await;
        let now = self.clock.now();
        let within = |then: &SystemTime, age| now.duration_since(*then).is_ok_and(|since| since < age);
        match &*described {
            Knowledge::Said(known, said) if within(said, age) => return Ok(known.clone()),
            Knowledge::Nothing(Some(failed)) if within(failed, FIRST_PAUSE) => {
                return Err(Error::unavailable("the provider did not describe itself a moment ago"));
            }
            Knowledge::Said(..) | Knowledge::Nothing(_) => {}
        }
        match self.describe().await {
            Ok(new) => {
                if let Knowledge::Nothing(_) = &*described {
                    self.warn_of_unlisted(&new.metadata);
                }
                let new = Arc::new(new);
                *described = Knowledge::Said(new.clone(), now);
                Ok(new)
            }
            Err(error) => match &mut *described {
                Knowledge::Said(known, said) => {
                    tracing::warn!(issuer = self.issuer(), %error, "a provider did not describe itself anew");
                    // Others do not wait for the same answer.
                    *said = now.checked_sub(GOOD_FOR.saturating_sub(PAUSE)).unwrap_or(now);
                    Ok(known.clone())
                }
                Knowledge::Nothing(failed) => {
                    // Nor here: whoever waited for this attempt comes after it.
                    *failed = Some(self.clock.now());
                    Err(error)
                }
            },
        }
    }

    /// Some providers give claims that they do not list, so that is no reason to refuse anybody (V-12).
    fn warn_of_unlisted(&self, metadata: &Metadata) {
        let Some(listed) = metadata.claims_supported() else { return };
        for claim in self.wanted.iter().filter(|wanted| !listed.iter().any(|listed| ***listed == ***wanted)) {
            tracing::warn!(
                issuer = self.issuer(),
                claim,
                "a claim that is passed on is none that the provider lists in `claims_supported` (V-12)"
            );
        }
    }

    async fn describe(&self) -> Result<Described, Error> {
        let issuer = IssuerUrl::new(self.issuer().to_owned());
        let issuer = issuer.map_err(|error| Error::unavailable("the issuer is no address").because(error))?;
        let http = Http(self.provider.fetcher.clone());
        let metadata = Metadata::discover_async(issuer, &http).await;
        let metadata = metadata
            .map_err(|error| Error::unavailable("the provider did not describe itself").because(error))?;
        let Some(url) = metadata.token_endpoint() else {
            return Err(Error::unavailable("the provider names no token endpoint"));
        };
        let config::Oidc { client, authorities, private_addresses, .. } = &self.provider;
        let endpoint = || endpoint_at(url.as_str(), client.clone(), authorities.clone(), *private_addresses);
        let unusable =
            |error| Error::unavailable("the provider's token endpoint cannot be used").because(error);
        let codes = OAuthCodes::with_clock(endpoint(), self.clock.clone()).map_err(unusable)?;
        let refresh =
            OAuthRefresh::with_clock([(self.issuer(), endpoint())], &self.clock).map_err(unusable)?;
        Ok(Described { metadata, codes, refresh })
    }
}

/// What that library sends its requests with.
struct Http(Fetcher);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Unanswered;
    type Future = BoxFuture<'static, Result<Response<Vec<u8>>, Unanswered>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        let fetcher = self.0.clone();
        Box::pin(async move {
            let request = request.map(|body| Full::new(Bytes::from(body)));
            fetcher.send(request).await.map(|answer| answer.map(|body| body.to_vec()))
        })
    }
}

/// Why an ID token is not believed.
enum Unverified {
    /// The provider may have other keys by now.
    UnknownKey,
    Wrong(Error),
}

impl From<Unverified> for Error {
    fn from(unverified: Unverified) -> Self {
        match unverified {
            Unverified::UnknownKey => {
                Self::unbelievable("the ID token is signed with a key that nobody knows")
            }
            Unverified::Wrong(error) => error,
        }
    }
}

/// What the ID token of a connection says, once everything about it is right.
fn verified(
    described: &Described,
    oidc: &Oidc,
    connection: &Connection,
    trip: &Trip,
) -> Result<Map<String, Value>, Unverified> {
    let wrong = |what: &'static str| Unverified::Wrong(Error::unbelievable(what));
    let raw = connection.id_token().ok_or_else(|| wrong("the provider gave no ID token"))?.expose_secret();
    let token = CoreIdToken::from_str(raw).map_err(|_| wrong("the ID token cannot be read"))?;
    let metadata = &described.metadata;
    let client = ClientId::new(oidc.provider.client_id.clone());
    let clock = oidc.clock.clone();
    let verifier =
        CoreIdTokenVerifier::new_public_client(client, metadata.issuer().clone(), metadata.jwks().clone())
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || clock.now().into());
    let nonce = Nonce::new(trip.nonce.clone());
    let unknown = ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey);
    let claims = token.claims(&verifier, &nonce).map_err(|error| {
        if error == unknown {
            return Unverified::UnknownKey;
        }
        Unverified::Wrong(Error::unbelievable("the ID token is not what was asked for").because(error))
    })?;
    if let Some(told) = claims.access_token_hash() {
        let (alg, key) = (token.signing_alg(), token.signing_key(&verifier));
        let (Ok(alg), Ok(key)) = (alg, key) else { return Err(wrong("the ID token's key is not known")) };
        let access = AccessToken::new(connection.access_token().expose_secret().to_owned());
        if AccessTokenHash::from_token(&access, alg, key).ok().as_ref() != Some(told) {
            return Err(wrong("the access token is not the one that the ID token came with"));
        }
    }
    // All that it says, and not only what that library has names for.
    let said = raw.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let said = said.and_then(|said| serde_json::from_slice(&said).ok());
    said.ok_or_else(|| wrong("the ID token says nothing"))
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<String, Error> {
    let text = claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| Error::unbelievable(format!("the ID token has no `{name}`")))
}
