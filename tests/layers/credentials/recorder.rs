//! What an observer was told.

use countersign::sts::{Event, Observer};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Recorder {
    told: Mutex<Told>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Told {
    counts: BTreeMap<&'static str, u64>,
    audit: Vec<String>,
}

impl Recorder {
    pub(super) fn count(&self, name: &str) -> u64 {
        self.lock().counts.get(name).copied().unwrap_or_default()
    }

    /// Waits until `name` was told so many times.
    pub(super) async fn wait_for(&self, name: &str, times: u64) {
        loop {
            let more = self.more.notified();
            if self.count(name) >= times {
                return;
            }
            more.await;
        }
    }

    /// Who became what.
    pub(super) fn audit(&self) -> Vec<String> {
        self.lock().audit.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event<'_>) {
        let mut told = self.lock();
        let name = match event {
            Event::Hit => "hit",
            Event::Miss => "miss",
            Event::Coalesced => "coalesced",
            Event::RefreshAhead => "refresh ahead",
            Event::Remembered(_) => "remembered",
            Event::Refused(_) => "refused",
            Event::Evicted => "evicted",
            Event::Call(call) if call.outcome.is_ok() => "call",
            Event::Call(_) => "failed call",
            Event::Assumed(assumed) => {
                told.audit.push(format!(
                    "{} of {} became {} as {} ({}, request {})",
                    assumed.caller.subject(),
                    assumed.caller.issuer(),
                    assumed.acting_role,
                    assumed.session_name,
                    assumed.access_key_id,
                    assumed.request_id.unwrap_or("unknown"),
                ));
                "assumed"
            }
            _ => "other",
        };
        *told.counts.entry(name).or_default() += 1;
        drop(told);
        self.more.notify_waiters();
    }
}
