//! How much of something there may be in a minute: for one, and for all of them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// What is left of a minute. In each process by itself.
#[derive(Debug)]
pub(super) struct Budget {
    for_one: u32,
    for_all: u32,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    since: SystemTime,
    /// Never more of them than were taken.
    by_whom: HashMap<String, u32>,
    all: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Budget {
    pub(super) fn new(for_one: u32, for_all: u32) -> Self {
        let spent = Spent { since: SystemTime::UNIX_EPOCH, by_whom: HashMap::new(), all: 0 };
        Self { for_one, for_all, spent: Mutex::new(spent) }
    }

    /// Takes one out of it, for `who` where that is somebody in particular. `false` where none is left.
    pub(super) fn take(&self, who: Option<&str>, now: SystemTime) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins a new minute too.
        if now.duration_since(spent.since).is_ok_and(|past| past < MINUTE) {
            let theirs = who.and_then(|who| spent.by_whom.get(who)).copied().unwrap_or_default();
            if spent.all >= self.for_all || theirs >= self.for_one {
                return false;
            }
        } else {
            *spent = Spent { since: now, by_whom: HashMap::new(), all: 0 };
        }
        spent.all += 1;
        if let Some(who) = who {
            *spent.by_whom.entry(who.to_owned()).or_default() += 1;
        }
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
        let take = |who: &str, seconds| budget.take(Some(who), at(seconds));
        assert!(take("a", 0) && take("a", 1));
        assert!(!take("a", 2), "one has had its share");
        assert!(take("b", 3));
        assert!(!take("c", 59) && !budget.take(None, at(59)), "everybody has");
        assert!(take("c", 60) && take("a", 61));
        // The clock was set back.
        assert!(take("a", 0));
        let nobodys = Budget::new(1, 3);
        assert!((0..3).all(|_| nobodys.take(None, at(0))), "nobody in particular has no share");
    }
}
