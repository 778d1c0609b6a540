//! Signing people in at their own identity providers, and their accounts elsewhere: where they are sent, and what comes
//! back.
//!
//! | | |
//! |---|---|
//! | [`oidc`] | providers that describe themselves, and say who somebody is in an ID token |
//! | [`oauth2`] | providers whose addresses are told, and that say it in their own way or not at all |
//! | [`userinfo`] | what a provider says of whoever has a token |
//! | [`renewal`] | how the tokens of both are renewed |

mod error;
mod oauth2;
mod oidc;
mod renewal;
#[cfg(test)]
mod tests;
mod userinfo;

pub(crate) use self::{
    error::{Error, Kind},
    renewal::Renewal,
};

use crate::config::authorization_server as config;
use countersign::{clock::Clock, tokens::Connection};
use oauth2::OAuth2;
use oidc::Oidc;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, sync::Arc};

/// Every upstream, the one that says who somebody is first.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    all: Arc<[Upstream]>,
}

/// One provider.
#[derive(Debug)]
pub(crate) struct Upstream {
    name: Arc<str>,
    title: String,
    optional: bool,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Oidc(Box<Oidc>),
    OAuth2(Box<OAuth2>),
}

/// What a browser is sent off with, and what has to be known when it comes back.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) url: String,
    pub(crate) trip: Trip,
}

/// What is kept of a person's way to a provider.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Trip {
    verifier: String,
    nonce: String,
}

/// A person who came back.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// What the provider gave for their code.
    pub(crate) connection: Connection,
    /// Who they are there; `None` where the provider does not say.
    pub(crate) person: Option<Person>,
}

/// Who somebody is, as a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) claims: Map<String, Value>,
}

impl Upstreams {
    /// `wanted` are the claims that are looked for, each with the upstream that has to say it.
    pub(crate) fn new(
        upstreams: Vec<config::Upstream>,
        wanted: &[config::Claim],
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let all = upstreams.into_iter().map(|upstream| {
            let of_this = wanted.iter().filter(|claim| *claim.upstream == *upstream.name);
            let wanted: BTreeSet<String> = of_this.filter_map(|claim| claim.path.first().cloned()).collect();
            let way = match upstream.provider {
                config::Provider::Oidc(oidc) => Way::Oidc(Box::new(Oidc::new(*oidc, wanted, clock.clone()))),
                config::Provider::OAuth2(oauth2) => Way::OAuth2(Box::new(OAuth2::new(*oauth2))),
            };
            Upstream { name: upstream.name, title: upstream.title, optional: upstream.optional, way }
        });
        Self { all: all.collect() }
    }

    pub(crate) fn nth(&self, place: usize) -> Option<&Upstream> {
        self.all.get(place)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Upstream> {
        self.all.iter().find(|upstream| *upstream.name == *name)
    }

    /// The upstreams, in the order in which people visit them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.all.iter()
    }

    /// The one that signs people in who come with tokens of `issuer`.
    pub(crate) fn of_issuer(&self, issuer: &str) -> Option<&Upstream> {
        self.all.iter().find(|upstream| matches!(&upstream.way, Way::Oidc(oidc) if oidc.issuer() == issuer))
    }

    /// Whether there is but one.
    pub(crate) fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// What renews their tokens.
    pub(crate) fn renewal(&self) -> Renewal {
        Renewal::of(self.clone())
    }
}

impl Upstream {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What pages call it.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) const fn is_optional(&self) -> bool {
        self.optional
    }

    /// Where to send a browser that will come back to `redirect` with `state`.
    pub(crate) async fn depart(&self, redirect: &str, state: &str) -> Result<Departure, Error> {
        match &self.way {
            Way::Oidc(oidc) => oidc.depart(redirect, state).await,
            Way::OAuth2(oauth2) => oauth2.depart(redirect, state),
        }
    }

    /// Whose answer it is, where the provider says so in it (RFC 9207).
    pub(crate) async fn check_issuer(&self, told: Option<&str>) -> Result<(), Error> {
        match &self.way {
            Way::Oidc(oidc) => oidc.check_issuer(told).await,
            // What these call themselves is not known, so nothing can be held against it.
            Way::OAuth2(_) => Ok(()),
        }
    }

    /// Spends the code that a browser came back with.
    pub(crate) async fn arrive(&self, code: &str, redirect: &str, trip: &Trip) -> Result<Arrival, Error> {
        let code = SecretString::from(code);
        match &self.way {
            Way::Oidc(oidc) => oidc.arrive(&code, redirect, trip).await,
            Way::OAuth2(oauth2) => oauth2.arrive(&code, redirect, trip).await,
        }
    }
}

impl std::fmt::Debug for Trip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trip").finish_non_exhaustive()
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.verifier.zeroize();
        self.nonce.zeroize();
    }
}
