use super::{AwsCredentials, AwsRole, BackendToken, Identity, Operation, UpstreamTokens};
use crate::clock::Clock;
use std::sync::Arc;

/// A proof: what has been established so far.
///
/// Facts that a layer must have are asked for with [`Proves`]; the ones below may be missing.
pub trait Stage: sealed::Sealed {
    /// What the call is about, where somebody [said so](Authenticated::about).
    fn operation(&self) -> Option<&Operation>;

    /// The caller's tokens at other providers, where `ResolveTokens` ran.
    fn upstream_tokens(&self) -> Option<&UpstreamTokens>;
}

/// This proof establishes `T`.
#[diagnostic::on_unimplemented(
    message = "no layer outside this one establishes `{T}`",
    label = "needs a layer that establishes `{T}` first",
    note = "order: `VerifyIdentity`, `ResolveTokens`, `SelectRole`, `AssumeRole`, `SignRequest`, then `Transmit`",
    note = "or, for a backend that takes bearer tokens: `ResolveTokens`, `ExchangeToken`, `AttachToken`, then `Transmit`"
)]
pub trait Proves<T>: Stage {
    /// What was established.
    fn fact(&self) -> &T;
}

/// The caller is known: the first proof on a request's way in, and the start of every call on its way out.
///
/// `VerifyIdentity` and `TrustIdentity` put it into the request's extensions. A handler takes it from there (or
/// by extractor) and [attaches](Self::attach) it to the requests it makes for that caller.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub(super) identity: Identity,
    pub(super) operation: Option<Operation>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A call on its way out for a caller who is known: what [`Authenticated::attach`] starts.
///
/// A request that came *in* has the same facts, and every header that its sender liked. So the layers of an outbound
/// stack ask for more than facts: they ask for an [`Outbound`] request, which only attaching makes.
#[derive(Clone, Debug)]
pub struct Attached {
    pub(super) caller: Authenticated,
}

/// This request started here, from an allow-list of headers: none of the caller's own credentials are on it.
#[diagnostic::on_unimplemented(
    message = "this request came in and was not attached to go out",
    label = "would send whatever headers the caller sent",
    note = "start a call with `authenticated.attach(request)`, or `NoCaller::attach` where nobody makes it"
)]
pub trait Outbound: Stage {}

/// Nobody selected a role yet: what `SelectRole` asks for, so that a stack has one role and credentials that are its.
#[diagnostic::on_unimplemented(
    message = "a role was selected outside this layer already",
    label = "would replace that role",
    note = "a stack selects one role; keep one of the two, or put both sets of rules into one"
)]
pub trait Roleless: Stage {}

/// Nobody made credentials yet: what `SelectRole`, `AssumeRole` and `ServiceCredentials` ask for.
#[diagnostic::on_unimplemented(
    message = "there are credentials from a layer outside this one already",
    label = "would leave them without effect",
    note = "a role is selected before credentials are made, and credentials are made once"
)]
pub trait Uncredentialed: Stage {}

/// A call that nobody in particular makes, such as a health probe. It proves nothing about a person.
///
/// ```
/// use countersign::proof::{ForwardHeaders, NoCaller};
/// use http::Request;
///
/// let probe = NoCaller::attach(Request::new("ping"), &ForwardHeaders::default());
/// assert_eq!(probe.body().body(), &"ping");
/// ```
#[derive(Clone, Debug)]
pub struct NoCaller(());

/// The caller's tokens at other providers are known as well.
#[derive(Clone, Debug)]
pub struct WithTokens<P> {
    previous: P,
    tokens: UpstreamTokens,
}

/// The token that the backend gets is known as well.
#[derive(Clone, Debug)]
pub struct WithBackendToken<P> {
    previous: P,
    token: BackendToken,
}

/// The role to act in is known as well. Credentials made before it was are not forwarded.
#[derive(Clone, Debug)]
pub struct WithRole<P> {
    previous: P,
    role: AwsRole,
}

/// There are credentials to sign with as well.
#[derive(Clone, Debug)]
pub struct WithCredentials<P> {
    previous: P,
    credentials: AwsCredentials,
}

impl Authenticated {
    #[cfg_attr(not(any(feature = "identity", test)), expect(dead_code, reason = "only `identity` makes one"))]
    pub(crate) fn new(identity: Identity, clock: Arc<dyn Clock>) -> Self {
        Self { identity, operation: None, clock }
    }

    /// Who is calling.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same proof, for a call that is about `operation`.
    #[must_use]
    pub fn about(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }
}

impl NoCaller {
    pub(super) fn new() -> Self {
        Self(())
    }
}

macro_rules! stage_constructor {
    ($stage:ident, $field:ident: $fact:ty, $layer:literal) => {
        impl<P> $stage<P> {
            #[allow(dead_code, reason = $layer)]
            pub(crate) fn new(previous: P, $field: $fact) -> Self {
                Self { previous, $field }
            }
        }
    };
}

stage_constructor!(WithTokens, tokens: UpstreamTokens, "`ResolveTokens` makes it, where that is on");
stage_constructor!(WithBackendToken, token: BackendToken, "`ExchangeToken` makes it, where that is on");
stage_constructor!(WithRole, role: AwsRole, "`SelectRole` will make it");
stage_constructor!(WithCredentials, credentials: AwsCredentials, "`ServiceCredentials` makes it, where that is on");

mod sealed {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no proof of this crate's making",
        label = "proofs are made by layers, not implemented",
        note = "to vouch for an identity that you verified yourself, use `TrustIdentityLayer`"
    )]
    pub trait Sealed {}
}

impl sealed::Sealed for Authenticated {}
impl sealed::Sealed for NoCaller {}
impl sealed::Sealed for Attached {}
impl<P> sealed::Sealed for WithTokens<P> {}
impl<P> sealed::Sealed for WithBackendToken<P> {}
impl<P> sealed::Sealed for WithRole<P> {}
impl<P> sealed::Sealed for WithCredentials<P> {}

impl Stage for Authenticated {
    fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        None
    }
}

impl Stage for NoCaller {
    fn operation(&self) -> Option<&Operation> {
        None
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        None
    }
}

impl Stage for Attached {
    fn operation(&self) -> Option<&Operation> {
        self.caller.operation()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        None
    }
}

impl Outbound for Attached {}
impl Outbound for NoCaller {}
impl<P: Outbound> Outbound for WithTokens<P> {}
impl<P: Outbound> Outbound for WithBackendToken<P> {}
impl<P: Outbound> Outbound for WithRole<P> {}
impl<P: Outbound> Outbound for WithCredentials<P> {}

impl Roleless for Attached {}
impl Roleless for NoCaller {}
impl<P: Roleless> Roleless for WithTokens<P> {}
impl<P: Roleless> Roleless for WithCredentials<P> {}

impl Uncredentialed for Attached {}
impl Uncredentialed for NoCaller {}
impl<P: Uncredentialed> Uncredentialed for WithTokens<P> {}
impl<P: Uncredentialed> Uncredentialed for WithRole<P> {}

impl<P: Stage> Stage for WithTokens<P> {
    fn operation(&self) -> Option<&Operation> {
        self.previous.operation()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        Some(&self.tokens)
    }
}

impl<P: Stage> Stage for WithBackendToken<P> {
    fn operation(&self) -> Option<&Operation> {
        self.previous.operation()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        self.previous.upstream_tokens()
    }
}

impl<P: Stage> Stage for WithRole<P> {
    fn operation(&self) -> Option<&Operation> {
        self.previous.operation()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        self.previous.upstream_tokens()
    }
}

impl<P: Stage> Stage for WithCredentials<P> {
    fn operation(&self) -> Option<&Operation> {
        self.previous.operation()
    }
    fn upstream_tokens(&self) -> Option<&UpstreamTokens> {
        self.previous.upstream_tokens()
    }
}

impl Proves<Identity> for Authenticated {
    fn fact(&self) -> &Identity {
        &self.identity
    }
}

impl Proves<Identity> for Attached {
    fn fact(&self) -> &Identity {
        &self.caller.identity
    }
}

impl<P: Stage> Proves<UpstreamTokens> for WithTokens<P> {
    fn fact(&self) -> &UpstreamTokens {
        &self.tokens
    }
}

impl<P: Stage> Proves<BackendToken> for WithBackendToken<P> {
    fn fact(&self) -> &BackendToken {
        &self.token
    }
}

impl<P: Stage> Proves<AwsRole> for WithRole<P> {
    fn fact(&self) -> &AwsRole {
        &self.role
    }
}

impl<P: Stage> Proves<AwsCredentials> for WithCredentials<P> {
    fn fact(&self) -> &AwsCredentials {
        &self.credentials
    }
}

/// What a stage hands on from the one before. Credentials are missing from the list of `WithRole`: a role that
/// is selected after they were made is not the one they belong to. A backend's token is handed on by none: it is
/// attached, and that is all.
macro_rules! forwards {
    ($($stage:ident: $($fact:ty),+;)+) => { $($(
        impl<P: Proves<$fact>> Proves<$fact> for $stage<P> {
            fn fact(&self) -> &$fact {
                self.previous.fact()
            }
        }
    )+)+ };
}

forwards! {
    WithTokens: Identity, AwsRole, AwsCredentials;
    WithBackendToken: Identity, UpstreamTokens;
    WithRole: Identity, UpstreamTokens;
    WithCredentials: Identity, UpstreamTokens, AwsRole;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        proof::{IdentityParts, Tool, UpstreamToken},
    };
    use secrecy::SecretString;
    use std::collections::BTreeMap;

    fn alice() -> Authenticated {
        let identity = Identity::new(IdentityParts {
            issuer: "https://i".into(),
            subject: "alice".into(),
            claims: serde_json::Map::new(),
            scopes: Vec::new(),
            actors: Vec::new(),
            token: Some(SecretString::from("tkn")),
            expires: None,
            honoured_until: None,
        });
        Authenticated::new(identity, Arc::new(SystemClock))
    }

    #[test]
    fn each_stage_adds_its_fact_and_keeps_the_others() {
        let token = UpstreamToken::new("upstream".into(), None, None);
        let tokens = UpstreamTokens::new(BTreeMap::from([("github".to_owned(), token)]));
        let operation = Operation::on("warehouse").calling(Tool::named("drop"));
        let with_tokens = WithTokens::new(alice().about(operation.clone()), tokens);
        let with_role = WithRole::new(with_tokens, AwsRole::new("arn:aws:iam::123456789012:role/R", "alice"));
        let credentials = AwsCredentials::new("ASIA".into(), "hush".into(), None, None);
        let proof = WithCredentials::new(with_role, credentials);

        let identity: &Identity = proof.fact();
        let role: &AwsRole = proof.fact();
        let credentials: &AwsCredentials = proof.fact();
        assert_eq!(
            (identity.subject(), role.session_name(), credentials.access_key_id()),
            ("alice", "alice", "ASIA")
        );
        assert_eq!(proof.operation(), Some(&operation));
        assert!(proof.upstream_tokens().is_some_and(|tokens| tokens.of("github").is_some()));
    }

    #[test]
    fn no_secret_is_ever_printed() {
        let token = UpstreamToken::new("upstream-secret".into(), Some("id-secret".into()), None);
        let tokens = UpstreamTokens::new(BTreeMap::from([("github".to_owned(), token)]));
        let credentials =
            AwsCredentials::new("ASIA".into(), "aws-secret".into(), Some("session-secret".into()), None);
        let proof = WithCredentials::new(WithTokens::new(alice(), tokens), credentials);
        let proof = WithBackendToken::new(proof, BackendToken::new("backend-secret".into(), None));
        let printed = format!("{proof:?}");
        assert!(printed.contains("alice") && printed.contains("ASIA"));
        assert!(!printed.contains("secret\"") && !printed.contains("tkn") && !printed.contains("-secret"));
    }
}
