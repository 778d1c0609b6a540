//! How a token is renewed: once, whoever asks, in however many processes.
//!
//! Before a refresh token is sent off, that is written down, under a lease. Whoever later has the lease and finds the
//! note still there knows that the one who wrote it never came back: then nobody knows whether the token is spent, the
//! connection is given up, and the person connects the account anew. So no rotating token is knowingly spent twice,
//! which would make the provider revoke everything that came of it.

use super::{
    account::Account,
    connection::{Condition, Connection},
    refresh::{Refresh, RefreshFailure, Refreshed},
    store::{Lease, TokenStore, Written},
};
use crate::{
    clock::Clock,
    error::{BoxError, chain},
    flight::scattered,
    proof::UpstreamToken,
    refusal::Refusal,
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{self, Instant};

/// For how long a lease is asked for.
const LEASE: Duration = Duration::from_secs(20);
/// For the provider to answer: a half of the lease, so that what it says can be written down in time.
const ANSWER: Duration = Duration::from_secs(10);
/// For somebody else, who has the lease, to be done.
const OTHERS: Duration = Duration::from_secs(25);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often something is written that must not be lost.
const WRITES: u32 = 4;

/// A store, and what renews what is in it.
pub(super) struct Renewal<S, R> {
    pub(super) store: S,
    pub(super) refresh: R,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is wanted of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    pub(super) id_token: bool,
    /// Also one that is good gets renewed, where it ages.
    pub(super) ahead: bool,
}

type Outcome = Result<UpstreamToken, Refusal>;

impl<S: TokenStore, R: Refresh> Renewal<S, R> {
    /// What is kept for `account`, and how good it is.
    pub(super) async fn find(
        &self,
        account: &Account,
        id_token: bool,
    ) -> Result<(Connection, Condition), Refusal> {
        let kept = self.store.load(account).await.map_err(Refusal::unavailable)?;
        let kept = kept.ok_or_else(|| Refusal::missing("the account is not connected"))?;
        let condition = kept.condition(self.clock.now(), id_token);
        Ok((kept, condition))
    }

    /// Renews what is kept for `account`, or waits for somebody else to do it.
    pub(super) async fn renew(&self, account: &Account, want: Want) -> Outcome {
        let deadline = Instant::now() + OTHERS;
        let mut pause = SHORTEST_PAUSE;
        loop {
            if let Some(lease) = self.store.lease(account, LEASE).await.map_err(Refusal::unavailable)? {
                let outcome = self.renew_under(account, lease, want).await;
                if let Err(error) = self.store.release(account, lease).await {
                    tracing::warn!(error = chain(&*error), "a lease was not given back and has to run out");
                }
                if let Some(outcome) = outcome {
                    return outcome;
                }
            }
            if want.ahead || Instant::now() >= deadline {
                return Err(Refusal::unavailable("somebody else is renewing the token, and is not done yet"));
            }
            time::sleep(scattered(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
            let (kept, condition) = self.find(account, want.id_token).await?;
            if condition != Condition::Ended {
                return Ok(kept.token(self.clock.now()));
            }
        }
    }

    /// `None` where somebody else was there since, and it has to be looked at again.
    async fn renew_under(&self, account: &Account, lease: Lease, want: Want) -> Option<Outcome> {
        let (kept, condition) = match self.find(account, want.id_token).await {
            Ok(found) => found,
            Err(refusal) => return Some(Err(refusal)),
        };
        if kept.is_being_renewed() {
            return Some(self.give_up(account, lease, "an earlier renewal never came back").await);
        }
        match condition {
            Condition::Fresh => return Some(Ok(kept.token(self.clock.now()))),
            Condition::Ageing if !want.ahead => return Some(Ok(kept.token(self.clock.now()))),
            Condition::Ageing | Condition::Ended => {}
        }
        let Some(spent) = kept.refresh_token() else {
            return Some(Err(Refusal::missing("the token has ended, and there is none to renew it with")));
        };
        match self.store.replace(account, lease, &kept.clone().being_renewed()).await {
            Ok(Written::Done) => {}
            Ok(Written::Superseded) => return None,
            Err(error) => return Some(Err(Refusal::unavailable(error))),
        }
        let answer = time::timeout(ANSWER, self.refresh.refresh(account.provider(), spent)).await;
        let unanswered = || RefreshFailure::Unknown("the provider did not answer in time".into());
        match answer.unwrap_or_else(|_| Err(unanswered())) {
            Ok(new) => self.keep(account, lease, want, kept, new).await,
            Err(RefreshFailure::Unknown(what)) => Some(self.give_up(account, lease, what).await),
            Err(RefreshFailure::Refused(what)) => self.go_on_without(account, lease, want, kept, what).await,
            Err(RefreshFailure::Unspent(what, after)) => {
                let written = self.write(account, lease, &kept).await;
                let refusal = Refusal::unavailable(what);
                let refusal = match after {
                    Some(after) => refusal.with_retry_after(after),
                    None => refusal,
                };
                self.as_good_as(&kept, written, want, refusal)
            }
        }
    }

    /// The provider gave a new token.
    async fn keep(
        &self,
        account: &Account,
        lease: Lease,
        want: Want,
        old: Connection,
        new: Refreshed,
    ) -> Option<Outcome> {
        let now = self.clock.now();
        let kept = match old.renewed(new, now) {
            Ok(kept) => kept,
            Err(what) => return Some(self.give_up(account, lease, what).await),
        };
        let written = self.write(account, lease, &kept).await;
        self.as_good_as(&kept, written, want, Refusal::missing("the provider gave no new ID token"))
    }

    /// The provider does not renew it any more: what there is lasts for as long as it does.
    async fn go_on_without(
        &self,
        account: &Account,
        lease: Lease,
        want: Want,
        kept: Connection,
        what: BoxError,
    ) -> Option<Outcome> {
        let kept = kept.without_refresh_token();
        if kept.condition(self.clock.now(), false) == Condition::Ended {
            return Some(self.give_up(account, lease, what).await);
        }
        let written = self.write(account, lease, &kept).await;
        self.as_good_as(&kept, written, want, Refusal::missing(what))
    }

    /// What was written, as an answer: the token while it is good, `otherwise` after that.
    fn as_good_as(
        &self,
        kept: &Connection,
        written: Result<Written, BoxError>,
        want: Want,
        otherwise: Refusal,
    ) -> Option<Outcome> {
        let now = self.clock.now();
        match written {
            Ok(Written::Superseded) => None,
            Err(error) => Some(Err(Refusal::unavailable(error))),
            Ok(Written::Done) if is_good(kept, now, want) => Some(Ok(kept.token(now))),
            Ok(Written::Done) => Some(Err(otherwise)),
        }
    }

    /// Nobody knows what the connection is worth, so it is forgotten.
    async fn give_up(&self, account: &Account, lease: Lease, what: impl Into<BoxError>) -> Outcome {
        let what = what.into();
        let provider = account.provider();
        tracing::warn!(provider, reason = chain(&*what), "an account has to be connected anew");
        if let Err(error) = self.store.remove(account, lease).await {
            // Whoever comes next finds that it was being renewed, and forgets it then.
            tracing::warn!(error = chain(&*error), "a connection was not forgotten");
        }
        Err(Refusal::missing(what))
    }

    /// Writes what must not be lost, several times if need be.
    async fn write(
        &self,
        account: &Account,
        lease: Lease,
        connection: &Connection,
    ) -> Result<Written, BoxError> {
        let mut pause = SHORTEST_PAUSE * 5;
        for _ in 1..WRITES {
            match self.store.replace(account, lease, connection).await {
                Ok(written) => return Ok(written),
                Err(error) => tracing::warn!(error = chain(&*error), "a renewed token was not written yet"),
            }
            time::sleep(pause).await;
            pause *= 2;
        }
        self.store.replace(account, lease, connection).await
    }
}

impl<S: fmt::Debug, R: fmt::Debug> fmt::Debug for Renewal<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal")
            .field("store", &self.store)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

/// To its very end, where it cannot be renewed just now.
fn is_good(kept: &Connection, now: SystemTime, want: Want) -> bool {
    kept.clone().without_refresh_token().condition(now, want.id_token) != Condition::Ended
}
