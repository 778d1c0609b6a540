//! What is known of sessions here, within bounds: the state of those in use, and which were ended before their time.
//!
//! Both are counted in all, and where there is no room, whoever has the most pays. Of the sessions in use the one that
//! was used longest ago is dropped: that is soft state, its id stays good. A session that was ended has to stay ended,
//! so of these nothing is dropped for nothing: a floor takes its place, below which everything is over. What is in use
//! is known not to be ended, so the floor does not touch it.

use super::session::Session;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Sessions by what they are called.
#[derive(Debug)]
pub(super) struct Kept {
    live: HashMap<Id, Live>,
    shares: Vec<Share>,
    ended: usize,
    limits: Limits,
    /// Which share an owner has is nobody's choice.
    random: RandomState,
    /// Counts uses, to order them.
    uses: u64,
    swept: SystemTime,
}

/// How many are kept, and for how long after their last use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) live: usize,
    pub(super) ended: usize,
    pub(super) idle: Duration,
}

/// What a session is called, whose it is, and how long it may last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) id: Id,
    pub(super) owner: String,
    pub(super) until: SystemTime,
}

pub(super) type Id = [u8; 16];

impl Named {
    /// Its id, in letters.
    pub(super) fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.id)
    }
}

#[derive(Debug)]
struct Live {
    session: Arc<Session>,
    share: usize,
    until: SystemTime,
    used: SystemTime,
    /// Its place in the order of uses.
    use_: u64,
}

/// What is known of some owners' sessions: of one's, mostly.
#[derive(Debug, Default)]
struct Share {
    /// Those in use, by their last use.
    uses: BTreeMap<u64, Id>,
    /// Those that were ended before their time, by it.
    ended: BTreeSet<(SystemTime, Id)>,
    /// What is not in use and lasts no longer than this may have been ended, so it is over.
    floor: Option<SystemTime>,
}

/// Among how many shares owners are spread.
const SHARES: u64 = 4096;
/// How often somebody looks which can go.
const SWEEP: Duration = Duration::from_secs(60);

impl Kept {
    pub(super) fn within(limits: Limits) -> Self {
        Self {
            live: HashMap::new(),
            shares: (0..SHARES).map(|_| Share::default()).collect(),
            ended: 0,
            limits,
            random: RandomState::new(),
            uses: 0,
            swept: SystemTime::UNIX_EPOCH,
        }
    }

    /// The session of this name, made where it is not known and not over.
    pub(super) fn find(
        &mut self,
        named: &Named,
        now: SystemTime,
        make: impl FnOnce() -> Session,
    ) -> Option<Arc<Session>> {
        self.sweep(now);
        if named.until <= now {
            return None;
        }
        let known = self.live.get(&named.id).map(|live| (live.session.clone(), live.used));
        match known {
            Some((_, used)) if used + self.limits.idle <= now => {
                self.end(named, now);
                None
            }
            Some((session, _)) => {
                self.keep(named, now, session.clone());
                Some(session)
            }
            None if self.is_over(named) => None,
            None => {
                let session = Arc::new(make());
                self.keep(named, now, session.clone());
                Some(session)
            }
        }
    }

    /// One that is in use, without using it.
    pub(super) fn used(&self, id: &Id) -> Option<&Arc<Session>> {
        self.live.get(id).map(|live| &live.session)
    }

    /// All that are in use.
    pub(super) fn in_use(&self) -> Vec<Named> {
        self.live.values().filter_map(|live| live.session.name.get().cloned()).collect()
    }

    /// Keeps a session that is used now, and drops another where there is no room.
    pub(super) fn keep(&mut self, named: &Named, now: SystemTime, session: Arc<Session>) {
        self.sweep(now);
        self.drop(&named.id);
        let place = self.place(&named.owner);
        self.uses += 1;
        let use_ = self.uses;
        let Some(share) = self.shares.get_mut(place) else { return };
        share.uses.insert(use_, named.id);
        let live = Live { session, share: place, until: named.until, used: now, use_ };
        self.live.insert(named.id, live);
        if self.live.len() > self.limits.live
            && let Some(share) = self.shares.iter_mut().max_by_key(|share| share.uses.len())
            && let Some((_, id)) = share.uses.pop_first()
        {
            self.live.remove(&id);
        }
    }

    /// From now on it is over.
    pub(super) fn end(&mut self, named: &Named, now: SystemTime) {
        self.sweep(now);
        self.drop(&named.id);
        let place = self.place(&named.owner);
        self.bury(place, named.until, named.id, now);
    }

    fn is_over(&self, Named { id, owner, until }: &Named) -> bool {
        self.shares.get(self.place(owner)).is_some_and(|share| {
            share.floor.is_some_and(|floor| *until <= floor) || share.ended.contains(&(*until, *id))
        })
    }

    fn drop(&mut self, id: &Id) -> Option<Live> {
        let live = self.live.remove(id)?;
        if let Some(share) = self.shares.get_mut(live.share) {
            share.uses.remove(&live.use_);
        }
        Some(live)
    }

    fn bury(&mut self, place: usize, until: SystemTime, id: Id, now: SystemTime) {
        let Some(share) = self.shares.get_mut(place) else { return };
        if until <= now || share.floor.is_some_and(|floor| until <= floor) || !share.ended.insert((until, id))
        {
            return;
        }
        self.ended += 1;
        if self.ended > self.limits.ended
            && let Some(share) = self.shares.iter_mut().max_by_key(|share| share.ended.len())
            && let Some((until, _)) = share.ended.pop_first()
        {
            share.floor = share.floor.max(Some(until));
            self.ended -= 1;
        }
    }

    /// Lets go of what is over, and ends what nobody used.
    fn sweep(&mut self, now: SystemTime) {
        // A clock that was set back is no reason to wait until it has caught up.
        if now.duration_since(self.swept).is_ok_and(|since| since < SWEEP) {
            return;
        }
        self.swept = now;
        for share in &mut self.shares {
            while share.ended.first().is_some_and(|(until, _)| *until <= now) {
                share.ended.pop_first();
                self.ended -= 1;
            }
            share.floor = share.floor.filter(|floor| *floor > now);
        }
        let idle = self.limits.idle;
        let over = |live: &Live| live.until <= now || live.used + idle <= now;
        let over: Vec<Id> = self.live.iter().filter(|(_, live)| over(live)).map(|(id, _)| *id).collect();
        for id in over {
            if let Some(live) = self.drop(&id) {
                self.bury(live.share, live.until, id, now);
            }
        }
    }

    fn place(&self, owner: &str) -> usize {
        usize::try_from(self.random.hash_one(owner) % SHARES).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::session::Greeting, *};
    use serde_json::value::RawValue;

    const IDLE: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    /// The session that somebody opened at this time.
    fn opened(owner: &str, number: u64) -> Named {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        id[8..8 + owner.len()].copy_from_slice(owner.as_bytes());
        Named { id, owner: owner.to_owned(), until: at(number) + DAY }
    }

    fn made() -> Session {
        let empty = || RawValue::from_string("{}".to_owned()).unwrap();
        let greeting = Greeting { version: "2025-11-25".to_owned(), capabilities: empty(), client: empty() };
        Session::new(greeting, 1)
    }

    fn kept(live: usize, ended: usize) -> Kept {
        Kept::within(Limits { live, ended, idle: IDLE })
    }

    /// Somebody who does not share with this one.
    fn other_than(owner: &str, kept: &Kept) -> String {
        let mut names = (0..).map(|number| format!("o{number}"));
        names.find(|name| kept.place(name) != kept.place(owner)).unwrap()
    }

    #[test]
    fn whoever_opens_them_without_end_drops_only_their_own_and_all_ids_stay_good() {
        let mut kept = kept(10, 10);
        let modest = opened(&other_than("greedy", &kept), 0);
        let first = Arc::new(made());
        kept.keep(&modest, at(0), first.clone());
        for number in 1..1000 {
            kept.keep(&opened("greedy", number), at(number), Arc::new(made()));
            assert!(kept.live.len() <= 10);
        }
        assert_eq!(kept.shares.iter().map(|share| share.uses.len()).sum::<usize>(), 10);
        let found = kept.find(&modest, at(1000), made).unwrap();
        assert!(Arc::ptr_eq(&found, &first), "what is kept for others is still there");
        assert!(!kept.live.contains_key(&opened("greedy", 1).id));
        assert!(kept.find(&opened("greedy", 1), at(1000), made).is_some(), "it is made anew");
        assert_eq!(kept.live.len(), 10);
    }

    #[test]
    fn the_one_used_longest_ago_is_dropped() {
        let mut kept = kept(2, 2);
        let [first, second, third] = [1, 2, 3].map(|number| opened("one", number));
        kept.keep(&first, at(1), Arc::new(made()));
        kept.keep(&second, at(2), Arc::new(made()));
        kept.find(&first, at(3), made).unwrap();
        kept.keep(&third, at(3), Arc::new(made()));
        assert!(kept.live.contains_key(&first.id) && !kept.live.contains_key(&second.id));
    }

    #[test]
    fn no_ended_session_is_forgotten_before_its_time_however_many_there_are() {
        let mut kept = kept(10, 10);
        let in_use = opened("greedy", 0);
        kept.keep(&in_use, at(0), Arc::new(made()));
        let others = opened(&other_than("greedy", &kept), 0);
        for number in 1..=1000 {
            kept.end(&opened("greedy", number), at(1000));
            assert!(kept.ended <= 10);
        }
        assert_eq!(kept.shares.iter().map(|share| share.ended.len()).sum::<usize>(), 10);
        for number in 1..=1000 {
            assert!(kept.find(&opened("greedy", number), at(1000), made).is_none(), "{number}");
        }
        assert!(kept.find(&opened("greedy", 1001), at(1001), made).is_some(), "there are new ones");
        assert!(kept.find(&in_use, at(1001), made).is_some(), "it is in use, so nobody ended it");
        assert!(kept.find(&others, at(1001), made).is_some(), "others do not pay for it");
        let day_later = at(1001) + DAY;
        kept.sweep(day_later);
        assert_eq!(kept.ended, 0);
        assert!(kept.shares.iter().all(|share| share.ended.is_empty() && share.floor.is_none()));
    }

    #[test]
    fn what_nobody_uses_ends_whether_somebody_asks_for_it_or_not() {
        let mut kept = kept(10, 10);
        let [asked, left, other] = [1, 2, 3].map(|number| opened("one", number));
        kept.keep(&asked, at(0), Arc::new(made()));
        kept.keep(&left, at(0), Arc::new(made()));
        let later = at(0) + IDLE;
        assert!(kept.find(&asked, later, made).is_none());
        kept.keep(&other, later + SWEEP, Arc::new(made()));
        assert_eq!(kept.live.len(), 1);
        for over in [&asked, &left] {
            assert!(kept.find(over, later + SWEEP, made).is_none(), "it does not come back");
        }
        assert!(kept.find(&other, at(4) + DAY, made).is_none());
        assert!(kept.live.is_empty(), "its time is over");
    }

    #[test]
    fn to_end_one_twice_or_after_its_time_keeps_nothing_more() {
        let mut kept = kept(10, 10);
        let named = opened("one", 1);
        kept.end(&named, at(2));
        kept.end(&named, at(2));
        kept.end(&opened("one", 0), at(0) + DAY);
        assert_eq!(kept.ended, 1);
    }
}
