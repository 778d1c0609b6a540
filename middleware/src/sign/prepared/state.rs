//! What is kept between signatures, in a place that the credentials themselves hold.

use super::{
    super::{SigningTarget, time::Moment},
    form::{Draft, Form, Kept},
    key::{DayKey, Stamp, shared},
};
use crate::proof::AwsCredentials;
use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;
use secrecy::ExposeSecret;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many services and regions one set of credentials is kept ready for.
const TARGETS: usize = 8;

/// How many forms of one second are kept: more than that are hardly ever the same again.
const FORMS: usize = 16;

/// What one set of credentials keeps. Whoever signs reads it without a lock; whoever changes it puts a new one in
/// its place, and where two do that at once one of them did it in vain.
pub(super) struct Slot {
    /// `None` when key id or token are nothing that could be sent: the reference says so.
    pub(super) sendable: Option<Sendable>,
    seconds: ArcSwap<Vec<Arc<Second>>>,
}

/// What is sent of the credentials themselves.
pub(super) struct Sendable {
    pub(super) token: Option<HeaderValue>,
}

/// One target in one second: immutable but for what was asked for in vain.
pub(super) struct Second {
    target: SigningTarget,
    pub(super) stamp: Stamp,
    kept: Vec<Arc<Kept>>,
    /// Forms that were asked for once. A second time, they are kept.
    missed: [AtomicU64; 8],
}

impl Slot {
    pub(super) fn new(credentials: &AwsCredentials) -> Self {
        Self { sendable: Sendable::of(credentials), seconds: ArcSwap::default() }
    }

    #[inline]
    pub(super) fn seconds(&self) -> Guard<Arc<Vec<Arc<Second>>>> {
        self.seconds.load()
    }

    /// A second that is not kept, from the day that is, if any.
    pub(super) fn another(
        &self,
        credentials: &AwsCredentials,
        target: &SigningTarget,
        moment: Moment,
    ) -> Option<Arc<Second>> {
        let seconds = self.seconds.load();
        let of_day = seconds
            .iter()
            .find(|second| second.stamp.key.day == moment.day() && second.target == *target)
            .map(|second| second.stamp.key.clone());
        let key = of_day.unwrap_or_else(|| DayKey::derive(credentials, target, moment).into());
        let second = Second {
            target: target.clone(),
            stamp: Stamp::new(key, moment)?,
            kept: Vec::new(),
            missed: Default::default(),
        };
        Some(second.into())
    }

    /// Puts a second in place of the target's last one, unless that is younger.
    pub(super) fn put(&self, second: Arc<Second>) {
        let seconds = self.seconds.load();
        let mut others = Vec::with_capacity(seconds.len() + 1);
        for other in seconds.iter() {
            if other.target != second.target {
                others.push(other.clone());
            } else if other.stamp.second > second.stamp.second {
                return;
            }
        }
        if others.len() >= TARGETS {
            others.remove(0);
        }
        others.push(second);
        self.seconds.store(others.into());
    }
}

impl Sendable {
    fn of(credentials: &AwsCredentials) -> Option<Self> {
        // All of it, without looking for an early end: a token is a kilobyte of text that is good.
        let visible = |text: &str| {
            !text.is_empty() && text.bytes().fold(true, |good, byte| good & byte.is_ascii_graphic())
        };
        if !visible(credentials.access_key_id()) {
            return None;
        }
        let token = match credentials.session_token() {
            Some(token) => {
                let token = token.expose_secret();
                let mut value = HeaderValue::from_str(token).ok().filter(|_| visible(token))?;
                value.set_sensitive(true);
                Some(shared(value))
            }
            None => None,
        };
        Some(Self { token })
    }
}

impl Second {
    #[inline]
    pub(super) fn is(&self, target: &SigningTarget, moment: Moment) -> bool {
        self.stamp.second == moment.second() && self.target == *target
    }

    #[inline]
    pub(super) fn find(&self, draft: &Draft<'_>) -> Option<&Form> {
        self.kept.iter().find(|kept| kept.is_of(draft)).map(|kept| &kept.form)
    }

    /// Whether this form should be kept, now that it was asked for.
    pub(super) fn is_worth_keeping(&self, form: &Form) -> bool {
        let fingerprint = form.fingerprint();
        let place = usize::try_from(fingerprint % 8).unwrap_or_default();
        self.kept.len() < FORMS
            && self
                .missed
                .get(place)
                .is_some_and(|missed| missed.swap(fingerprint, Ordering::Relaxed) == fingerprint)
    }

    pub(super) fn with(&self, kept: Kept) -> Self {
        let mut all = self.kept.clone();
        all.push(kept.into());
        Self { target: self.target.clone(), stamp: self.stamp.clone(), kept: all, missed: Default::default() }
    }
}
