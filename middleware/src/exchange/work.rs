//! One exchange, in one step or in two.

use super::{
    assertion,
    kind::{ID_JAG, TokenKind},
    subject::Shown,
};
use crate::{
    clock::Clock,
    error::Kind,
    flight::{Landed, Lifetime, scattered},
    proof::BackendToken,
    refusal::Refusal,
    token_endpoint::{Code, Failure, Granted, TokenClient},
};
use secrecy::{ExposeSecret, SecretString};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{self, Instant},
};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How many exchanges there are at once.
const TURNS: usize = 64;
/// How often a server is asked that fails.
const ATTEMPTS: u32 = 3;
/// For all attempts at one step.
const PATIENCE: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// For how long a token is used whose end nobody knows.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);

/// What is asked for, each time.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) endpoint: TokenClient,
    pub(super) audiences: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) scope: Option<String>,
    pub(super) requested: TokenKind,
    pub(super) asserted: Option<Asserted>,
}

/// The second step, and what the first has to say for it.
#[derive(Debug)]
pub(super) struct Asserted {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) resource: String,
    pub(super) endpoint: TokenClient,
}

#[derive(Debug)]
pub(super) struct Work {
    terms: Terms,
    turns: Semaphore,
    clock: Arc<dyn Clock>,
}

impl Work {
    pub(super) fn new(terms: Terms, clock: Arc<dyn Clock>) -> Self {
        Self { terms, turns: Semaphore::new(TURNS), clock }
    }

    pub(super) async fn exchange(&self, subject: &Shown, actor: Option<&Shown>) -> Landed<BackendToken> {
        let granted = match &self.terms.asserted {
            None => self.directly(subject, actor).await?,
            Some(asserted) => self.by_assertion(asserted, subject, actor).await?,
        };
        if !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unusable("what it issued is no bearer token"));
        }
        let shown = [Some(subject), actor].into_iter().flatten();
        if shown.map(|shown| &shown.token).any(|token| is_same(token, &granted.access_token)) {
            return Err(unusable("it gave back the very token that it was shown"));
        }
        let now = self.clock.now();
        let expires = granted.expires_in.and_then(|life| now.checked_add(life));
        let end = expires.unwrap_or(now + UNKNOWN_LIFE);
        let end = subject.expires.map_or(end, |subject_ends| end.min(subject_ends));
        Ok((BackendToken::new(granted.access_token, expires), Some(Lifetime::new(now, end))))
    }

    async fn directly(&self, subject: &Shown, actor: Option<&Shown>) -> Result<Granted, Refusal> {
        let Terms { endpoint, audiences, resources, requested, .. } = &self.terms;
        let mut form = self.form(subject, actor);
        form.push(("requested_token_type", requested.name()));
        form.extend(audiences.iter().map(|audience| ("audience", audience.as_str())));
        form.extend(resources.iter().map(|resource| ("resource", resource.as_str())));
        let granted = self.ask(endpoint, &form).await?;
        if granted.issued_token_type.as_deref() != Some(requested.name()) {
            return Err(unusable(
                "it issued another kind of token than it was asked for, or does not say which",
            ));
        }
        Ok(granted)
    }

    async fn by_assertion(
        &self,
        asserted: &Asserted,
        subject: &Shown,
        actor: Option<&Shown>,
    ) -> Result<Granted, Refusal> {
        let Asserted { audience, resource, endpoint, .. } = asserted;
        let mut form = self.form(subject, actor);
        form.extend([
            ("requested_token_type", ID_JAG),
            ("audience", audience.as_str()),
            ("resource", resource.as_str()),
        ]);
        let assertion = self.ask(&self.terms.endpoint, &form).await?;
        assertion::check(&assertion, asserted, self.clock.now()).map_err(unusable)?;
        let mut form =
            vec![("grant_type", JWT_BEARER), ("assertion", assertion.access_token.expose_secret())];
        form.extend(self.terms.scope.as_deref().map(|scope| ("scope", scope)));
        let granted = self.ask(endpoint, &form).await?;
        if is_same(&assertion.access_token, &granted.access_token) {
            return Err(unusable("it gave back the very assertion that it was shown"));
        }
        Ok(granted)
    }

    fn form<'f>(&'f self, subject: &'f Shown, actor: Option<&'f Shown>) -> Vec<(&'f str, &'f str)> {
        let mut form = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", subject.token.expose_secret()),
            ("subject_token_type", subject.kind.name()),
        ];
        if let Some(actor) = actor {
            form.extend([
                ("actor_token", actor.token.expose_secret()),
                ("actor_token_type", actor.kind.name()),
            ]);
        }
        form.extend(self.terms.scope.as_deref().map(|scope| ("scope", scope)));
        form
    }

    /// Asks, and asks again where that may help.
    async fn ask(&self, endpoint: &TokenClient, form: &[(&str, &str)]) -> Result<Granted, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let Ok(Ok(turn)) = time::timeout_at(deadline, self.turns.acquire()).await else {
                return Err(unavailable("too many exchanges are under way"));
            };
            let failure = match endpoint.ask(form).await {
                Ok(granted) => return Ok(granted),
                Err(failure) => failure,
            };
            drop(turn);
            let wait = match failure.retry_after() {
                Some(after) => after.max(scattered(pause)),
                None => scattered(pause),
            };
            let late = Instant::now() + wait >= deadline;
            if !failure.may_pass() || attempt == ATTEMPTS || late {
                return Err(refusal(failure));
            }
            time::sleep(wait).await;
            pause *= 2;
        }
        Err(unavailable("it was asked often enough"))
    }
}

fn refusal(failure: Failure) -> Refusal {
    match failure {
        Failure::Refused(Code::InvalidClient | Code::UnauthorizedClient | Code::UnsupportedGrantType) => {
            let what = "the token service does not let us exchange tokens";
            Refusal::new(Kind::ExchangeClientRefused, what, failure)
        }
        Failure::Refused(_) => {
            let what = "the token service gives this caller no token for this backend";
            Refusal::new(Kind::ExchangeRefused, what, failure)
        }
        Failure::Busy(Some(after)) => unavailable(failure).with_retry_after(after),
        Failure::Busy(None) | Failure::Unsent(_) | Failure::Unknown(_) => unavailable(failure),
        Failure::Unusable(what) => unusable(what),
    }
}

fn unavailable(detail: impl Into<crate::error::BoxError>) -> Refusal {
    Refusal::new(
        Kind::ExchangeUnavailable,
        "the token service cannot be reached, or cannot serve now",
        detail,
    )
}

fn unusable(detail: impl Into<crate::error::BoxError>) -> Refusal {
    let what = "the token service answered with something else than the token that it was asked for";
    Refusal::new(Kind::InvalidExchangeAnswer, what, detail)
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
