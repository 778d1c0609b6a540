use secrecy::SecretString;
use serde_json::{Map, Value};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

/// Who is calling: the fact that `VerifyIdentity` and `TrustIdentity` establish.
///
/// Cloning it is cheap. `Debug` shows issuer and subject, never the claims or the token.
///
/// ```
/// use countersign::proof::Identity;
///
/// fn is_admin(caller: &Identity) -> bool {
///     caller.has_scope("admin")
///         || caller
///             .claim("groups")
///             .and_then(|groups| groups.as_array())
///             .is_some_and(|groups| groups.iter().any(|group| group == "admins"))
/// }
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Known>);

struct Known {
    parts: IdentityParts,
    fingerprints: OnceLock<[[u8; 32]; 2]>,
}

/// What an identity is made of.
pub(crate) struct IdentityParts {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) claims: Map<String, Value>,
    pub(crate) scopes: Vec<String>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) token: Option<SecretString>,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) honoured_until: Option<SystemTime>,
}

/// Somebody who acts for the subject: one link of an `act` claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub(crate) issuer: Option<String>,
    pub(crate) subject: String,
}

impl Identity {
    #[cfg_attr(not(any(feature = "identity", test)), expect(dead_code, reason = "only `identity` makes one"))]
    pub(crate) fn new(parts: IdentityParts) -> Self {
        Self(Arc::new(Known { parts, fingerprints: OnceLock::new() }))
    }

    /// Who vouches for the subject: the token's `iss`.
    pub fn issuer(&self) -> &str {
        &self.0.parts.issuer
    }

    /// Who it is, unique within the issuer: the token's `sub`.
    pub fn subject(&self) -> &str {
        &self.0.parts.subject
    }

    /// Everything the issuer said.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.parts.claims
    }

    /// One thing the issuer said.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.parts.claims.get(name)
    }

    /// What was granted: the members of `scope` or `scp`.
    pub fn scopes(&self) -> &[String] {
        &self.0.parts.scopes
    }

    /// Whether `scope` was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.parts.scopes.iter().any(|granted| granted == scope)
    }

    /// Who acts for the subject, the current actor first; empty when the subject acts in person.
    pub fn actors(&self) -> &[Actor] {
        &self.0.parts.actors
    }

    /// The token itself, for the layers that exchange it. `None` where `TrustIdentity` was given none.
    pub fn token(&self) -> Option<&SecretString> {
        self.0.parts.token.as_ref()
    }

    /// When it ends. `None` where `TrustIdentity` was given no end.
    pub fn expires(&self) -> Option<SystemTime> {
        self.0.parts.expires
    }

    /// Whether it has ended by `now`, the issuer's leeway included.
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.honoured_until().is_some_and(|end| now >= end)
    }

    /// When it ends, the issuer's leeway included.
    pub(crate) fn honoured_until(&self) -> Option<SystemTime> {
        self.0.parts.honoured_until
    }

    /// What a cache finds this caller by: computed once, and remembered for as long as the identity is.
    #[allow(dead_code, reason = "`AssumeRole` asks for it, where that is on")]
    pub(crate) fn fingerprints(&self, compute: impl FnOnce(&Self) -> [[u8; 32]; 2]) -> &[[u8; 32]; 2] {
        self.0.fingerprints.get_or_init(|| compute(self))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.0.parts.issuer)
            .field("subject", &self.0.parts.subject)
            .field("expires", &self.0.parts.expires)
            .finish_non_exhaustive()
    }
}

/// RFC 8693 sets no limit to a chain of actors; anything deeper than this is no delegation but an attack.
const MAX_ACTORS: usize = 10;

impl Actor {
    /// The links of an `act` claim, the current actor first; or why it cannot be read, in one clause.
    #[cfg_attr(
        not(any(feature = "identity", feature = "expression", test)),
        expect(dead_code, reason = "nobody reads claims")
    )]
    pub(crate) fn chain(claim: Option<&Value>) -> Result<Vec<Self>, &'static str> {
        let mut actors = Vec::new();
        let mut next = claim;
        while let Some(act) = next {
            let subject = act.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
            let Some(subject) = subject else {
                return Err("the token's chain of actors cannot be read");
            };
            if actors.len() == MAX_ACTORS {
                return Err("the token's chain of actors is too long");
            }
            let issuer = act.get("iss").and_then(Value::as_str).map(str::to_owned);
            actors.push(Self { issuer, subject: subject.to_owned() });
            next = act.get("act");
        }
        Ok(actors)
    }

    /// The actor's own issuer, where the token names one.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Who it is.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}
