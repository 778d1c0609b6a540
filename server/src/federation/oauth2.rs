//! Providers whose addresses are told.

use super::{Arrival, Departure, Person, Trip, error::Error, userinfo};
use crate::config::authorization_server as config;
use countersign::tokens::OAuthRefresh;
use openidconnect::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

#[derive(Debug)]
pub(super) struct OAuth2 {
    provider: config::OAuth2,
}

impl OAuth2 {
    pub(super) const fn new(provider: config::OAuth2) -> Self {
        Self { provider }
    }

    pub(super) fn depart(&self, redirect: &str, state: &str) -> Result<Departure, Error> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let config::OAuth2 { authorize, client_id, asked, .. } = &self.provider;
        let url = departure(authorize, client_id, redirect, state, &challenge, None, asked);
        Ok(Departure { url, trip: trip(&verifier, String::new()) })
    }

    pub(super) async fn arrive(
        &self,
        code: &SecretString,
        redirect: &str,
        trip: &Trip,
    ) -> Result<Arrival, Error> {
        let connection = redeem(&self.provider.codes, code, redirect, trip).await?;
        let Some(identified) = &self.provider.identified else {
            return Ok(Arrival { connection, person: None });
        };
        let url = identified.userinfo.as_str();
        let claims = userinfo::ask(&identified.fetcher, url, connection.access_token()).await?;
        let subject = match claims.get(&identified.subject) {
            Some(Value::String(subject)) if !subject.is_empty() => subject.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => {
                let what = format!("the userinfo endpoint did not say `{}`", identified.subject);
                return Err(Error::unbelievable(what));
            }
        };
        let issuer = self.provider.authorize.origin().ascii_serialization();
        let connection = connection.with_claims(claims.clone());
        Ok(Arrival { connection, person: Some(Person { issuer, subject, claims }) })
    }

    pub(super) const fn refresh(&self) -> &OAuthRefresh {
        &self.provider.refresh
    }
}

pub(super) fn trip(verifier: &PkceCodeVerifier, nonce: String) -> Trip {
    Trip { verifier: verifier.secret().clone(), nonce }
}

/// The address at a provider that asks a person to sign in.
pub(super) fn departure(
    authorize: &Url,
    client: &str,
    redirect: &str,
    state: &str,
    challenge: &PkceCodeChallenge,
    nonce: Option<&str>,
    asked: &config::Asked,
) -> String {
    let mut url = authorize.clone();
    let scopes = asked.scopes.join(" ");
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", client)
            .append_pair("redirect_uri", redirect)
            .append_pair("state", CsrfToken::new(state.to_owned()).secret())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", challenge.method().as_str());
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes);
        }
        if let Some(nonce) = nonce {
            query.append_pair("nonce", nonce);
        }
        for (name, value) in &asked.parameters {
            query.append_pair(name, value);
        }
    }
    url.into()
}

/// What a code is worth.
pub(super) async fn redeem(
    codes: &countersign::tokens::OAuthCodes,
    code: &SecretString,
    redirect: &str,
    trip: &Trip,
) -> Result<countersign::tokens::Connection, Error> {
    let verifier = SecretString::from(trip.verifier.clone());
    let redeemed = codes.redeem(code, redirect, &verifier).await;
    redeemed.map_err(|error| Error::unbelievable("the provider gave no tokens").because(error))
}
