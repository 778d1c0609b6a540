#[cfg(test)]
mod tests;

use super::{
    hop::{Hop, step_settings},
    key::{self, Fields, Short},
    limits,
    mint::{Minter, TokenMinter},
    problem::ConfigError,
    service_identity::ServiceIdentity,
    step::{SessionPolicy, SessionTag, Step, same_key},
    value::SessionValue,
};
use crate::expression::Expression;
use std::{sync::Arc, time::Duration};

/// How a backend's callers assume their roles: with what, for how long, and what STS is told besides.
///
/// ```
/// use countersign::{
///     expression::{Expression, TextExpression},
///     sts::{Hop, Session, SessionPolicy, SessionTag, SessionValue},
/// };
/// use std::time::Duration;
///
/// // The caller's own token is exchanged, and the session goes on to a role in another account.
/// let session = Session::caller()
///     .with_duration(Duration::from_secs(1800))
///     .then(
///         Hop::to("arn:aws:iam::210987654321:role/Partner".parse()?)
///             .with_external_id("4c11a3e8")
///             .with_tag(SessionTag::new("Team", TextExpression::compile("claims.team")?))
///             .with_source_identity(SessionValue::session_name())
///             .with_policy_when(
///                 Expression::compile("tool.read_only")?,
///                 SessionPolicy::managed(["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
///             ),
///     )
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    source: Source,
    first: Step,
    hops: Vec<Hop>,
    ends_with_caller: bool,
    is_fixed: bool,
    digest: Short,
}

/// What the first step is taken with.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Caller,
    Upstream { provider: Arc<str>, which: Upstream },
    Minted(Minter),
    Brokered(ServiceIdentity),
}

/// Which of the tokens that a provider issued is shown to STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Upstream {
    /// The ID token, which is a signed JWT always.
    IdToken,
    /// The access token, where the provider makes it a signed JWT.
    AccessToken,
}

/// Puts a [`Session`] together.
#[derive(Clone, Debug)]
pub struct SessionBuilder {
    source: Source,
    step: Step,
    hops: Vec<Hop>,
    ends_with_caller: bool,
}

impl Session {
    /// The caller's own token is exchanged at STS.
    ///
    /// The caller could do that without us, so the boundary is the roles' trust policies: rules choose among what
    /// those allow.
    pub fn caller() -> SessionBuilder {
        Self::from_source(Source::Caller)
    }

    /// The token that `provider` issued to the caller is exchanged at STS.
    pub fn upstream(provider: impl Into<Arc<str>>, which: Upstream) -> SessionBuilder {
        Self::from_source(Source::Upstream { provider: provider.into(), which })
    }

    /// A token that `minter` makes for this very purpose is exchanged at STS.
    pub fn minted(minter: impl TokenMinter) -> SessionBuilder {
        Self::from_source(Source::Minted(Minter::new(minter)))
    }

    /// The service itself assumes the role, in the name of each caller.
    pub fn brokered(service: impl Into<ServiceIdentity>) -> SessionBuilder {
        Self::from_source(Source::Brokered(service.into()))
    }

    fn from_source(source: Source) -> SessionBuilder {
        let step = Step::lasting(Duration::from_secs(3600));
        SessionBuilder { source, step, hops: Vec::new(), ends_with_caller: false }
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    pub(super) fn first(&self) -> &Step {
        &self.0.first
    }

    pub(super) fn hops(&self) -> &[Hop] {
        &self.0.hops
    }

    pub(super) fn ends_with_caller(&self) -> bool {
        self.0.ends_with_caller
    }

    /// Whether STS is told the same about every caller, name and role apart.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.is_fixed
    }

    pub(super) fn digest(&self) -> &Short {
        &self.0.digest
    }
}

impl Default for Session {
    /// The caller's own token is exchanged, for an hour.
    fn default() -> Self {
        Session::caller().resolve()
    }
}

step_settings!(SessionBuilder);

impl SessionBuilder {
    /// Goes on to another role, with the credentials of the one before.
    #[must_use]
    pub fn then(mut self, hop: Hop) -> Self {
        self.hops.push(hop);
        self
    }

    /// Uses no credentials for longer than the caller's own token lasts.
    #[must_use]
    pub fn ending_with_caller(mut self) -> Self {
        self.ends_with_caller = true;
        self
    }

    /// The session.
    ///
    /// # Errors
    ///
    /// Everything that AWS would refuse later, at once.
    pub fn build(self) -> Result<Session, ConfigError> {
        let mut problems = self.first_problems();
        let mut partition = None;
        for (at, hop) in self.hops.iter().enumerate() {
            let place = |problem: String| format!("hop {} ({}): {problem}", at + 1, hop.role);
            let account = Some(hop.role.account());
            problems.extend(hop.step.problems(account, true).into_iter().map(place));
            if partition.is_some_and(|before| before != hop.role.partition()) {
                problems.push(place("no role of one partition assumes a role of another".to_owned()));
            }
            partition = Some(hop.role.partition());
            if hop.session_name.as_deref().is_some_and(|name| !limits::is_name(name)) {
                problems.push(place("session name: it has 2 to 64 letters, digits and _+=,.@-".to_owned()));
            }
            let before = || [&self.step].into_iter().chain(self.hops.iter().take(at).map(|hop| &hop.step));
            if hop.step.source_identity.is_some() && before().any(|step| step.source_identity.is_some()) {
                problems.push(place("a source identity stays for all hops; set it once".to_owned()));
            }
            for tag in &hop.step.tags {
                let inherited =
                    |earlier: &&SessionTag| earlier.transitive && same_key(&earlier.key, &tag.key);
                if before().flat_map(|step| &step.tags).any(|earlier| inherited(&earlier)) {
                    let key = &tag.key;
                    problems.push(place(format!(
                        "tag {key:?}: it is transitive, so it is there already; send it once"
                    )));
                }
            }
        }
        ConfigError::unless_empty(problems)?;
        Ok(self.resolve())
    }

    fn first_problems(&self) -> Vec<String> {
        let chained = matches!(&self.source, Source::Brokered(service) if service.is_assumed_role());
        let mut problems = self.step.problems(None, chained);
        let says_by_token = matches!(self.source, Source::Caller | Source::Upstream { .. });
        if says_by_token && !self.step.tags.is_empty() {
            problems.push(
                "tags: with a web identity they are claims of its token; have the issuer put them there, or tag a hop"
                    .to_owned(),
            );
        }
        if says_by_token && self.step.source_identity.is_some() {
            problems.push(
                "source identity: with a web identity it is a claim of its token; have the issuer put it there, or \
                 set it on a hop"
                    .to_owned(),
            );
        }
        if self.step.external_id.is_some() && !matches!(self.source, Source::Brokered(_)) {
            problems.push("external id: a web identity has none; set it on a hop".to_owned());
        }
        problems
    }

    fn resolve(self) -> Session {
        let mut fields = Fields::new("session");
        match &self.source {
            Source::Caller => fields.text("caller"),
            Source::Upstream { provider, which } => {
                fields.text(match which {
                    Upstream::IdToken => "upstream id token",
                    Upstream::AccessToken => "upstream access token",
                });
                fields.text(provider);
            }
            Source::Minted(minter) => {
                fields.text("minted");
                fields.text(minter.issuer());
            }
            Source::Brokered(service) => {
                fields.text("brokered");
                fields.bytes(&service.id().to_be_bytes());
            }
        }
        fields.bytes(&[u8::from(self.ends_with_caller)]);
        self.step.describe(&mut fields);
        for hop in &self.hops {
            fields.text(hop.role.as_str());
            fields.maybe(hop.session_name.as_deref());
            hop.step.describe(&mut fields);
        }
        let is_fixed = self.step.is_fixed() && self.hops.iter().all(|hop| hop.step.is_fixed());
        Session(Arc::new(Parts {
            source: self.source,
            first: self.step,
            hops: self.hops,
            ends_with_caller: self.ends_with_caller,
            is_fixed,
            digest: key::short(&fields.digest()),
        }))
    }
}
