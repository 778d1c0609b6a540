//! How many documents are fetched in a minute: from one host, and from all of them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// What is left of a minute. In each process by itself.
#[derive(Debug)]
pub(super) struct Budget {
    from_one_host: u32,
    from_anywhere: u32,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    since: SystemTime,
    /// Never more hosts than fetches.
    by_host: HashMap<String, u32>,
    all: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Budget {
    pub(super) fn new(from_one_host: u32, from_anywhere: u32) -> Self {
        let spent = Spent { since: SystemTime::UNIX_EPOCH, by_host: HashMap::new(), all: 0 };
        Self { from_one_host, from_anywhere, spent: Mutex::new(spent) }
    }

    /// Takes one fetch from `host` out of it. `false` where none is left.
    pub(super) fn take(&self, host: &str, now: SystemTime) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins a new minute too.
        if now.duration_since(spent.since).is_ok_and(|past| past < MINUTE) {
            let of_host = spent.by_host.get(host).copied().unwrap_or_default();
            if spent.all >= self.from_anywhere || of_host >= self.from_one_host {
                return false;
            }
        } else {
            *spent = Spent { since: now, by_host: HashMap::new(), all: 0 };
        }
        spent.all += 1;
        *spent.by_host.entry(host.to_owned()).or_default() += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_and_the_next_one_as_many_again() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        let budget = Budget::new(2, 3);
        assert!(budget.take("a", at(0)) && budget.take("a", at(1)));
        assert!(!budget.take("a", at(2)), "one host has had its share");
        assert!(budget.take("b", at(3)));
        assert!(!budget.take("c", at(59)), "everybody has");
        assert!(budget.take("c", at(60)) && budget.take("a", at(61)));
        // The clock was set back.
        assert!(budget.take("a", at(0)));
    }
}
