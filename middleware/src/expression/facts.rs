use super::{
    call::Call,
    values::{Boxed, Claims, actors, upstream},
};
use crate::proof::{Actor, Identity, Operation, Proves, Stage, UpstreamToken, UpstreamTokens};
use http::Method;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// What an expression may look at: what is proven about one call.
///
/// | name | what it is |
/// |---|---|
/// | `claims` | what the issuer said about the caller, by name |
/// | `actor` | who acts for the caller, the current actor first: a list of maps with `sub` and perhaps `iss` |
/// | `upstream[provider].claims` | what another provider said when the caller signed in there |
/// | `backend.name` | where the call goes; empty where nobody [said so](crate::proof::Authenticated::about) |
/// | `tool.name`, `tool.read_only`, `tool.destructive` | what it runs; without a tool, an empty name and nothing changed |
/// | `request.method` | of the request to the backend |
/// | `method` | what is asked for, as its protocol calls it, in a [`Call`] |
/// | `arguments` | what goes along with that, by name |
/// | `resource.uri`, `prompt.name` | which one is asked for; empty where none is |
///
/// The last three rows are known where somebody [said](Facts::calling) what is called; elsewhere an expression that looks
/// at them has no answer. A claim is converted when an expression first looks at it, and once for all expressions that do.
///
/// ```
/// use countersign::{expression::{EvaluationError, Expression, Facts}, proof::{Identity, Proves}};
/// use http::Method;
///
/// fn may_write<P: Proves<Identity>>(proof: &P, rule: &Expression) -> Result<bool, EvaluationError> {
///     rule.is_true(&Facts::of(proof, &Method::POST))
/// }
/// ```
pub struct Facts<'a> {
    issuer: &'a str,
    subject: &'a str,
    pub(super) claims: Claims<'a>,
    actors: &'a [Actor],
    upstream: Option<&'a UpstreamTokens>,
    operation: Option<&'a Operation>,
    method: &'a str,
    call: Option<&'a Call>,
    pub(super) arguments: Option<Claims<'a>>,
    converted_actors: OnceLock<Boxed<'a>>,
    converted_upstream: OnceLock<Boxed<'a>>,
}

/// A caller who is only supposed: claims that nobody proved, to see what rules would make of them.
///
/// ```
/// use countersign::expression::{Expression, Supposed};
///
/// let claims = serde_json::json!({
///     "iss": "https://login.example.com", "sub": "alice", "groups": ["admins"],
///     "act": {"sub": "agent"},
/// });
/// let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
/// let rule = Expression::compile("'admins' in claims.groups && actor[0].sub == 'agent'")?;
/// assert!(rule.is_true(&alice.facts())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Supposed {
    issuer: String,
    subject: String,
    claims: Map<String, Value>,
    actors: Vec<Actor>,
    upstream: UpstreamTokens,
    operation: Option<Operation>,
    method: Method,
}

/// Claims that can be nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidClaims(&'static str);

impl<'a> Facts<'a> {
    /// What `proof` establishes, for a request with `method`.
    pub fn of<P: Proves<Identity>>(proof: &'a P, method: &'a Method) -> Self {
        let identity: &Identity = proof.fact();
        Self {
            upstream: proof.upstream_tokens(),
            operation: Stage::operation(proof),
            ..Self::about(identity.issuer(), identity.subject(), identity.claims(), identity.actors(), method)
        }
    }

    /// The same call, seen as the current actor's own: `claims` are what the token says of the actor. `None` when
    /// the caller acts in person.
    pub fn of_actor(&self) -> Option<Self> {
        let (actor, behind) = self.actors.split_first()?;
        let claims = self.claims.all().get("act").and_then(Value::as_object)?;
        Some(Self {
            issuer: actor.issuer().unwrap_or(self.issuer),
            subject: actor.subject(),
            claims: Claims::new(claims),
            actors: behind,
            upstream: None,
            operation: self.operation,
            method: self.method,
            call: self.call,
            arguments: self.call.and_then(Call::arguments).map(Claims::new),
            converted_actors: OnceLock::new(),
            converted_upstream: OnceLock::new(),
        })
    }

    /// The same, where `call` is what the caller asks for.
    #[must_use]
    pub fn calling(mut self, call: &'a Call) -> Self {
        self.arguments = call.arguments().map(Claims::new);
        self.call = Some(call);
        self
    }

    /// Who vouches for the caller.
    pub fn issuer(&self) -> &'a str {
        self.issuer
    }

    /// Who it is.
    pub fn subject(&self) -> &'a str {
        self.subject
    }

    /// What the issuer said.
    pub fn claims(&self) -> &'a Map<String, Value> {
        self.claims.all()
    }

    /// Who acts for the caller, the current actor first.
    pub fn actors(&self) -> &'a [Actor] {
        self.actors
    }

    /// What nobody said of anybody, to try an expression on.
    pub(super) fn made_up(
        claims: &'a Map<String, Value>,
        actors: &'a [Actor],
        upstream: &'a UpstreamTokens,
        operation: &'a Operation,
        call: &'a Call,
    ) -> Self {
        let of_caller = Self::about("issuer", "subject", claims, actors, &Method::POST);
        Self { upstream: Some(upstream), operation: Some(operation), ..of_caller }.calling(call)
    }

    fn about(
        issuer: &'a str,
        subject: &'a str,
        claims: &'a Map<String, Value>,
        actors: &'a [Actor],
        method: &'a Method,
    ) -> Self {
        Self {
            issuer,
            subject,
            claims: Claims::new(claims),
            actors,
            upstream: None,
            operation: None,
            method: method.as_str(),
            call: None,
            arguments: None,
            converted_actors: OnceLock::new(),
            converted_upstream: OnceLock::new(),
        }
    }

    pub(super) fn operation(&self) -> Option<&'a Operation> {
        self.operation
    }

    pub(super) fn method(&self) -> &'a str {
        self.method
    }

    pub(super) fn call(&self) -> Option<&'a Call> {
        self.call
    }

    pub(super) fn actors_value(&self) -> &Boxed<'a> {
        self.converted_actors.get_or_init(|| actors(self.actors))
    }

    pub(super) fn upstream_value(&self) -> &Boxed<'a> {
        self.converted_upstream.get_or_init(|| upstream(self.upstream))
    }
}

impl Supposed {
    /// Somebody with these claims, who makes a POST request that is about nothing in particular.
    ///
    /// # Errors
    ///
    /// When `iss`, `sub` or a chain of actors in `act` is not what it is in a token.
    pub fn from_claims(claims: Map<String, Value>) -> Result<Self, InvalidClaims> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let issuer =
            text("iss").ok_or(InvalidClaims("`iss` is no text; say who issued the token"))?.to_owned();
        let subject = text("sub").ok_or(InvalidClaims("`sub` is no text; say who the caller is"))?.to_owned();
        let actors = Actor::chain(claims.get("act")).map_err(InvalidClaims)?;
        let upstream = UpstreamTokens::new(BTreeMap::new());
        Ok(Self { issuer, subject, claims, actors, upstream, operation: None, method: Method::POST })
    }

    /// The same, for a call that is about `operation`.
    #[must_use]
    pub fn about(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// The same, with what other providers said, by provider.
    #[must_use]
    pub fn with_upstream(mut self, claims: impl IntoIterator<Item = (String, Map<String, Value>)>) -> Self {
        let token = |claims| UpstreamToken::new(String::new().into(), None, None).with_claims(claims);
        let tokens = claims.into_iter().map(|(provider, claims)| (provider, token(claims)));
        self.upstream = UpstreamTokens::new(tokens.collect());
        self
    }

    /// The same, with another method.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// What an expression would see.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            upstream: Some(&self.upstream),
            operation: self.operation.as_ref(),
            ..Facts::about(&self.issuer, &self.subject, &self.claims, &self.actors, &self.method)
        }
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("operation", &self.operation)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Supposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supposed")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for InvalidClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidClaims {}
