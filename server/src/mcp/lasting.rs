//! Lists of backends, for as long as these say that they stay so (`ttlMs`): for each token apart, unless a backend says
//! that everybody sees the same (`cacheScope`). What many want at once is asked for once.

use super::{
    catalog::{Kind, Listed},
    pool::Authority,
};
use countersign::clock::Clock;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::{self, OwnedMutexGuard};

/// What is kept, within bounds.
#[derive(Debug)]
pub(super) struct Lists {
    kept: Mutex<Kept>,
    most: usize,
    clock: Arc<dyn Clock>,
}

/// A list that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// `None` for everybody.
    authority: Option<Authority>,
    /// What the client says of itself, which a list may depend on.
    said: String,
    place: usize,
    kind: Kind,
}

#[derive(Debug, Default)]
struct Kept {
    lists: HashMap<Wanted, Held>,
    bytes: usize,
    /// Who may ask a backend, one at a time.
    turns: HashMap<Wanted, Arc<sync::Mutex<()>>>,
    /// Whose lists last, as far as that is known.
    last: HashMap<(usize, Kind), bool>,
    /// Counts what was forgotten: what was asked for before is not kept after.
    forgotten: u64,
}

#[derive(Debug)]
struct Held {
    listed: Arc<Listed>,
    until: SystemTime,
    bytes: usize,
}

/// For whoever asks a backend now.
#[derive(Debug)]
pub(super) struct Turn {
    _mine: Option<OwnedMutexGuard<()>>,
    forgotten: u64,
}

enum Next {
    Here(Listed),
    Ask,
    Wait(Arc<sync::Mutex<()>>),
}

/// How many bytes of lists are kept, and for how long at most, whatever a backend says.
const MOST: usize = 64 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(3600);
/// How many wait for their turn at once before turns that nobody waits for are swept.
const TURNS: usize = 1024;

impl Wanted {
    pub(super) fn by(authority: Authority, said: String, place: usize, kind: Kind) -> Self {
        Self { authority: Some(authority), said, place, kind }
    }

    fn by_everybody(&self) -> Self {
        Self { authority: None, ..self.clone() }
    }
}

impl Lists {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { kept: Mutex::default(), most: MOST, clock }
    }

    /// The list, where it is here and still good; `Err` is the turn of whoever asks the backend for it.
    pub(super) async fn find(&self, wanted: &Wanted) -> Result<Listed, Turn> {
        let turn = match self.next(wanted) {
            Next::Here(listed) => return Ok(listed),
            Next::Ask => return Err(self.turn(None)),
            Next::Wait(turn) => turn,
        };
        let mine = turn.lock_owned().await;
        match self.next(wanted) {
            Next::Here(listed) => Ok(listed),
            // Somebody found out meanwhile that waiting for each other is of no use.
            Next::Ask => Err(self.turn(None)),
            Next::Wait(_) => Err(self.turn(Some(mine))),
        }
    }

    fn next(&self, wanted: &Wanted) -> Next {
        let now = self.clock.now();
        let mut kept = self.lock();
        let mut held = [wanted.clone(), wanted.by_everybody()].into_iter().filter_map(|key| {
            let held = kept.lists.get(&key)?;
            let left = held.until.duration_since(now).ok().filter(|left| !left.is_zero())?;
            Some((held, left))
        });
        if let Some((held, left)) = held.next() {
            let ttl = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            return Next::Here(Listed { ttl, ..Listed::clone(&held.listed) });
        }
        if kept.last.get(&(wanted.place, wanted.kind)) == Some(&false) {
            return Next::Ask;
        }
        if kept.turns.len() >= TURNS {
            kept.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Next::Wait(kept.turns.entry(wanted.clone()).or_default().clone())
    }

    fn turn(&self, mine: Option<OwnedMutexGuard<()>>) -> Turn {
        Turn { _mine: mine, forgotten: self.lock().forgotten }
    }

    /// Keeps what a backend listed, if it says that it lasts, and nothing was said to have changed since it was asked.
    pub(super) fn keep(&self, wanted: &Wanted, turn: &Turn, listed: &Listed) {
        let now = self.clock.now();
        let lasts = Duration::from_millis(listed.ttl).min(LONGEST);
        // Of what a backend has nothing, it says nothing either.
        let is_lasting = !lasts.is_zero() && listed.ttl != u64::MAX;
        let mut kept = self.lock();
        kept.last.insert((wanted.place, wanted.kind), is_lasting);
        let bytes = listed.items.iter().map(|item| item.text.get().len() + item.name.len()).sum::<usize>();
        if !is_lasting || kept.forgotten != turn.forgotten || bytes > self.most {
            return;
        }
        let key = if listed.is_public { wanted.by_everybody() } else { wanted.clone() };
        kept.remove(&key);
        if kept.bytes + bytes > self.most {
            kept.retain(|_, held| held.until > now);
        }
        while kept.bytes + bytes > self.most {
            let Some(next) = kept.lists.iter().min_by_key(|(_, held)| held.until).map(|(key, _)| key.clone())
            else {
                break;
            };
            kept.remove(&next);
        }
        kept.bytes += bytes;
        kept.lists.insert(key, Held { listed: Arc::new(listed.clone()), until: now + lasts, bytes });
    }

    /// What one backend has of this kind may be something else now.
    pub(super) fn forget(&self, place: usize, kind: Kind) {
        let mut kept = self.lock();
        kept.forgotten += 1;
        kept.retain(|key, _| (key.place, key.kind) != (place, kind));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: &Wanted) {
        if let Some(held) = self.lists.remove(key) {
            self.bytes -= held.bytes;
        }
    }

    fn retain(&mut self, mut stays: impl FnMut(&Wanted, &Held) -> bool) {
        let bytes = &mut self.bytes;
        self.lists.retain(|key, held| {
            let stays = stays(key, held);
            if !stays {
                *bytes -= held.bytes;
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{super::catalog::Item, *};
    use serde_json::value::RawValue;
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::UNIX_EPOCH,
    };

    #[derive(Debug, Default)]
    struct Told(AtomicU64);

    impl Clock for Told {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn wanted(who: &str) -> Wanted {
        let who = crate::mcp::invariants::trusted(who);
        Wanted::by(Authority::of(who.identity()), "{}".to_owned(), 0, Kind::Tools)
    }

    fn listed(name: &str, ttl: u64, is_public: bool) -> Listed {
        let text = RawValue::from_string(format!("{{\"name\":\"{name}\"}}")).unwrap();
        let items = vec![Item { text, name: name.to_owned() }];
        Listed { items, ttl, is_public, ..Listed::default() }
    }

    async fn put(lists: &Lists, wanted: &Wanted, list: Listed) {
        let turn = lists.find(wanted).await.expect_err("it is not here");
        lists.keep(wanted, &turn, &list);
    }

    async fn found(lists: &Lists, wanted: &Wanted) -> Option<(String, u64)> {
        let list = lists.find(wanted).await.ok()?;
        Some((list.items[0].name.clone(), list.ttl))
    }

    #[tokio::test]
    async fn a_list_is_its_callers_for_as_long_as_it_lasts() {
        let clock = Arc::new(Told::default());
        let lists = Lists::new(clock.clone());
        let (alice, bob) = (wanted("alice"), wanted("bob"));
        put(&lists, &alice, listed("hers", 1000, false)).await;
        assert_eq!(found(&lists, &bob).await, None);
        clock.0.store(400, Ordering::Relaxed);
        assert_eq!(found(&lists, &alice).await, Some(("hers".into(), 600)));
        let other = Wanted { said: "{\"sampling\":{}}".into(), ..alice.clone() };
        assert_eq!(found(&lists, &other).await, None, "another client may see others");
        clock.0.store(1000, Ordering::Relaxed);
        assert_eq!(found(&lists, &alice).await, None);
        put(&lists, &bob, listed("everybody's", 1000, true)).await;
        assert_eq!(found(&lists, &alice).await.unwrap().0, "everybody's");
    }

    #[tokio::test]
    async fn what_has_changed_is_forgotten_also_where_it_was_on_its_way() {
        let lists = Lists::new(Arc::new(Told::default()));
        let alice = wanted("alice");
        let turn = lists.find(&alice).await.err().unwrap();
        lists.forget(0, Kind::Tools);
        lists.keep(&alice, &turn, &listed("old", 1000, false));
        drop(turn);
        put(&lists, &alice, listed("new", 1000, false)).await;
        lists.forget(0, Kind::Prompts);
        lists.forget(1, Kind::Tools);
        assert_eq!(found(&lists, &alice).await.unwrap().0, "new");
        lists.forget(0, Kind::Tools);
        assert_eq!(found(&lists, &alice).await, None);
    }

    #[tokio::test]
    async fn of_many_one_asks_and_where_lists_do_not_last_nobody_waits() {
        let lists = Arc::new(Lists::new(Arc::new(Told::default())));
        let alice = wanted("alice");
        let first = lists.find(&alice).await.err().unwrap();
        let waiting: Vec<_> = (0..5).map(|_| found(&lists, &alice)).collect();
        let asking = async {
            tokio::task::yield_now().await;
            lists.keep(&alice, &first, &listed("once", 1000, false));
            drop(first);
        };
        let (names, ()) = tokio::join!(futures_util::future::join_all(waiting), asking);
        assert!(names.iter().all(|name| name.as_ref().unwrap().0 == "once"), "{names:?}");

        lists.forget(0, Kind::Tools);
        put(&lists, &alice, listed("passing", 0, false)).await;
        let turns = [lists.find(&alice).await.err().unwrap(), lists.find(&alice).await.err().unwrap()];
        assert!(turns.iter().all(|turn| turn._mine.is_none()));
    }

    #[tokio::test]
    async fn where_there_is_no_room_the_one_goes_that_ends_first() {
        let lists = Lists { most: 30, ..Lists::new(Arc::new(Told::default())) };
        let people = ["alice", "bob", "carol"].map(wanted);
        for (person, ttl) in people.iter().zip([300, 100, 200]) {
            put(&lists, person, listed("a", ttl, false)).await;
        }
        assert!(found(&lists, &people[1]).await.is_none());
        assert!(found(&lists, &people[0]).await.is_some() && found(&lists, &people[2]).await.is_some());
        put(&lists, &people[1], listed(&"a".repeat(100), 900, false)).await;
        assert!(found(&lists, &people[1]).await.is_none(), "nothing is larger than all the room");
    }
}
