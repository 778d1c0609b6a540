use super::refresh::Refreshed;
use crate::{fetch::jwt::Jwt, flight::Lifetime, proof::UpstreamToken};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{fmt, time::SystemTime};

/// What a store keeps about a connected account. All of it is secret; `Debug` shows when things end.
///
/// ```
/// use countersign::tokens::Connection;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
/// let connection = Connection::new("access".into(), now)
///     .with_expires(now + Duration::from_secs(3600))
///     .with_refresh_token("refresh".into());
/// assert!(!format!("{connection:?}").contains("access\""));
/// ```
#[derive(Clone)]
pub struct Connection {
    access_token: SecretString,
    obtained: SystemTime,
    expires: Option<SystemTime>,
    refresh_token: Option<SecretString>,
    id_token: Option<SecretString>,
    id_token_expires: Option<SystemTime>,
    claims: Option<Map<String, Value>>,
    being_renewed: bool,
}

/// How good a connection is, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Fresh,
    /// Good, and it is time for the next.
    Ageing,
    /// Not good any more, or not for long enough.
    Ended,
}

impl Connection {
    /// An access token that was issued at `obtained`.
    pub fn new(access_token: SecretString, obtained: SystemTime) -> Self {
        Self {
            access_token,
            obtained,
            expires: None,
            refresh_token: None,
            id_token: None,
            id_token_expires: None,
            claims: None,
            being_renewed: false,
        }
    }

    /// The access token ends then.
    #[must_use]
    pub fn with_expires(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// There is a token to renew it with.
    #[must_use]
    pub fn with_refresh_token(mut self, token: SecretString) -> Self {
        self.refresh_token = Some(token);
        self
    }

    /// There is an ID token as well, which ends by itself.
    #[must_use]
    pub fn with_id_token(mut self, token: SecretString, expires: Option<SystemTime>) -> Self {
        self.id_token = Some(token);
        self.id_token_expires = expires;
        self
    }

    /// What the provider said about the person when they signed in there.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = Some(claims);
        self
    }

    /// The refresh token was, or was about to be, sent off, and what came of it is not known yet.
    #[must_use]
    pub fn being_renewed(mut self) -> Self {
        self.being_renewed = true;
        self
    }

    /// The access token.
    pub fn access_token(&self) -> &SecretString {
        &self.access_token
    }

    /// When it was issued.
    pub fn obtained(&self) -> SystemTime {
        self.obtained
    }

    /// When it ends, where the provider said so.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// What renews it.
    pub fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// The ID token.
    pub fn id_token(&self) -> Option<&SecretString> {
        self.id_token.as_ref()
    }

    /// When the ID token ends.
    pub fn id_token_expires(&self) -> Option<SystemTime> {
        self.id_token_expires
    }

    /// What the provider said about the person when they signed in there.
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        self.claims.as_ref()
    }

    /// Whether the refresh token may be spent already.
    pub fn is_being_renewed(&self) -> bool {
        self.being_renewed
    }

    pub(super) fn without_refresh_token(mut self) -> Self {
        self.refresh_token = None;
        self
    }

    /// The connection that a first answer makes.
    pub(super) fn first(granted: Refreshed, now: SystemTime) -> Self {
        let id_token_expires = granted.id_token.as_ref().and_then(Jwt::read).and_then(|said| said.expires());
        Self {
            expires: granted.expires,
            refresh_token: granted.refresh_token,
            id_token: granted.id_token,
            id_token_expires,
            ..Self::new(granted.access_token, now)
        }
    }

    /// How good it is at `now`, the ID token included where that `matters`.
    pub(super) fn condition(&self, now: SystemTime, id_token_matters: bool) -> Condition {
        let access = self.judge(self.expires, now);
        if !id_token_matters {
            return access;
        }
        match &self.id_token {
            Some(_) => access.max(self.judge(self.id_token_expires, now)),
            None => Condition::Ended,
        }
    }

    /// What a caller gets of it at `now`.
    pub(super) fn token(&self, now: SystemTime) -> UpstreamToken {
        let lives = self.id_token_expires.is_none_or(|end| now < end);
        let id_token = self.id_token.clone().filter(|_| lives);
        let token = UpstreamToken::new(self.access_token.clone(), id_token, self.expires);
        match &self.claims {
            Some(claims) => token.with_claims(claims.clone()),
            None => token,
        }
    }

    /// The connection that a renewal makes of it; an error where the new ID token is about somebody else.
    pub(super) fn renewed(self, new: Refreshed, now: SystemTime) -> Result<Self, &'static str> {
        let id_token = match new.id_token {
            None => None,
            Some(token) => {
                let said = Jwt::read(&token).ok_or("the provider's new ID token cannot be read")?;
                if !is_about_the_same(&said, self.claims.as_ref()) {
                    return Err("the provider's new ID token is about somebody else");
                }
                Some((token, said.expires()))
            }
        };
        // Without a new one, the old one goes on for as long as it lasts.
        let (id_token, id_token_expires) = match id_token {
            Some((token, expires)) => (Some(token), expires),
            None => (self.id_token, self.id_token_expires),
        };
        Ok(Self {
            access_token: new.access_token,
            obtained: now,
            expires: new.expires,
            // A provider that does not rotate keeps the old one good.
            refresh_token: new.refresh_token.or(self.refresh_token),
            id_token,
            id_token_expires,
            claims: self.claims,
            being_renewed: false,
        })
    }

    fn judge(&self, end: Option<SystemTime>, now: SystemTime) -> Condition {
        let Some(end) = end else { return Condition::Fresh };
        let lifetime = Lifetime::new(self.obtained, end);
        match &self.refresh_token {
            // There will be no next, so it is used to its end.
            None if now < end => Condition::Fresh,
            Some(_) if lifetime.covers(now) && !lifetime.is_ageing(now) => Condition::Fresh,
            Some(_) if lifetime.covers(now) => Condition::Ageing,
            None | Some(_) => Condition::Ended,
        }
    }
}

/// Issuer and subject have to be those of the first one (OpenID Connect Core, section 12.2).
fn is_about_the_same(said: &Jwt, first: Option<&Map<String, Value>>) -> bool {
    first.is_none_or(|first| ["iss", "sub"].iter().all(|name| said.claims.get(*name) == first.get(*name)))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("obtained", &self.obtained)
            .field("expires", &self.expires)
            .field("id_token_expires", &self.id_token_expires)
            .field("being_renewed", &self.being_renewed)
            .finish_non_exhaustive()
    }
}
