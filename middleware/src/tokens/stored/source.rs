use super::{
    account::Account,
    connection::Condition,
    refresh::Refresh,
    renewal::{Renewal, Want},
    store::TokenStore,
};
use crate::{
    clock::{Clock, SystemClock},
    flight::{Flight, Flights, Landed, Lifetime, Look, Terms},
    proof::UpstreamToken,
    refusal::Refusal,
    tokens::source::{TokenRequest, TokenSource},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// Tokens from a [store](TokenStore), renewed on use and ahead of their end.
///
/// However many requests ask for an account at once, it is looked up once and renewed once, here and in every other
/// process that shares the store. A renewal runs to its end whoever gives up waiting. When nobody knows how one ended,
/// the connection is forgotten and the person connects the account anew: a refresh token that providers replace with
/// each use is never knowingly spent twice.
pub struct StoredTokens<S, R> {
    renewal: Arc<Renewal<S, R>>,
    lookups: Flights<(Account, bool), UpstreamToken>,
    ahead: Flights<Account, ()>,
}

/// Puts [`StoredTokens`] together.
#[derive(Debug)]
pub struct StoredTokensBuilder<S, R> {
    store: S,
    refresh: R,
    clock: Arc<dyn Clock>,
}

/// What [`StoredTokens`] finds, in a while.
#[derive(Debug)]
pub struct Finding(Found);

#[derive(Debug)]
enum Found {
    Now(Option<Result<UpstreamToken, Refusal>>),
    Soon(Flight<UpstreamToken>),
}

/// How many accounts may be looked up at once, before some are looked up twice.
const LOOKUPS: u64 = 10_000;
/// A token that could not be renewed ahead of its end is left alone for a while.
const REST: Duration = Duration::from_secs(30);

impl<S: TokenStore, R: Refresh> StoredTokens<S, R> {
    /// The tokens in `store`, renewed by `refresh`.
    pub fn new(store: S, refresh: R) -> Self {
        Self::builder(store, refresh).build()
    }

    /// The same with other settings.
    pub fn builder(store: S, refresh: R) -> StoredTokensBuilder<S, R> {
        StoredTokensBuilder { store, refresh, clock: Arc::new(SystemClock) }
    }
}

impl<S: TokenStore, R: Refresh> StoredTokensBuilder<S, R> {
    /// Tells the time by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source.
    pub fn build(self) -> StoredTokens<S, R> {
        let Self { store, refresh, clock } = self;
        let terms = Terms {
            capacity: LOOKUPS,
            // A person may connect the account at any moment.
            memory: Duration::ZERO,
            stopped: Refusal::unavailable("the lookup was stopped before it ended"),
            clock: clock.clone(),
        };
        StoredTokens {
            renewal: Arc::new(Renewal { store, refresh, clock }),
            lookups: Flights::new(terms.clone()),
            ahead: Flights::new(terms),
        }
    }
}

impl<S: TokenStore, R: Refresh> StoredTokens<S, R> {
    async fn find(self, account: Account, id_token: bool) -> Landed<UpstreamToken> {
        let (kept, condition) = self.renewal.find(&account, id_token).await?;
        let token = match condition {
            Condition::Fresh => kept.token(self.renewal.clock.now()),
            Condition::Ageing => {
                self.renew_ahead(account, id_token);
                kept.token(self.renewal.clock.now())
            }
            Condition::Ended => self.renewal.renew(&account, Want { id_token, ahead: false }).await?,
        };
        Ok((token, None))
    }

    /// Nobody waits for this: the token that is there is good for a while.
    fn renew_ahead(&self, account: Account, id_token: bool) {
        let renewal = self.renewal.clone();
        self.ahead.look(&account.clone(), || async move {
            if let Err(refusal) = renewal.renew(&account, Want { id_token, ahead: true }).await {
                tracing::debug!(%refusal, provider = account.provider(), "a token was not renewed ahead of its end");
            }
            let now = renewal.clock.now();
            Ok(((), Some(Lifetime::new(now, now + REST))))
        });
    }
}

impl<S: TokenStore, R: Refresh> TokenSource for StoredTokens<S, R> {
    type Future = Finding;

    fn token(&self, request: TokenRequest) -> Finding {
        let id_token = request.needs_id_token();
        let account = Account::of(request.caller(), request.provider());
        let key = (account.clone(), id_token);
        Finding(match self.lookups.look(&key, || self.clone().find(account, id_token)) {
            Look::Ready(token) => Found::Now(Some(Ok(token))),
            Look::Refused(refusal) => Found::Now(Some(Err(refusal))),
            Look::Wait(flight) => Found::Soon(flight),
        })
    }
}

impl Future for Finding {
    type Output = Result<UpstreamToken, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Found::Soon(flight) => Pin::new(flight).poll(cx),
            Found::Now(found) => {
                let spent = || Err(Refusal::unavailable("the token was already taken"));
                Poll::Ready(found.take().unwrap_or_else(spent))
            }
        }
    }
}

impl<S, R> Clone for StoredTokens<S, R> {
    fn clone(&self) -> Self {
        Self { renewal: self.renewal.clone(), lookups: self.lookups.clone(), ahead: self.ahead.clone() }
    }
}

impl<S: fmt::Debug, R: fmt::Debug> fmt::Debug for StoredTokens<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTokens").field("renewal", &self.renewal).finish_non_exhaustive()
    }
}
