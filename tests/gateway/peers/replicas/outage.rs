//! Redis is killed in the middle of sign-ins and refreshes, and started again. The gateways are there all the time.

use crate::{
    crashes::assert_nothing_is_told,
    signing_in::{Account, App, BACK, House, Keeping, parameter},
};
use countersign_fixtures::idp;
use countersign_tests::{
    client::Answer,
    person::{Person, Stopped},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

const ROUNDS: usize = 20;
/// Who signs in during each of them.
const PEOPLE: usize = 10;
/// How often each of them gets new tokens: with the sign-ins, that happens a thousand times.
const REFRESHES: usize = 4;
/// In so many rounds Redis hangs once before it is killed.
const HANGS: usize = 10;
/// No answer takes longer, nor any page: a store that does not answer is given up long before.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nobody is sent away for longer.
const RECOVERY: Duration = Duration::from_secs(40);

/// What everybody in a test shares.
struct Scene {
    house: House,
    app: App,
    redis: watch::Sender<State>,
    asked: AtomicUsize,
    sent_away: AtomicUsize,
    anew: AtomicUsize,
    moved: Notify,
}

/// Whether Redis is there, and how often that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    is_there: bool,
    changes: usize,
}

/// What a client has, and wants tokens for.
enum Held {
    Code(String),
    Refresh(String),
}

impl Scene {
    /// What a client is told in the end. `None` where what it has may be spent, and is refused: somebody signs in anew.
    async fn ask(&self, held: &Held) -> Option<Answer> {
        let (mut is_unsure, begun) = (false, Instant::now());
        while begun.elapsed() < RECOVERY {
            let (turn, before) = (self.asked.fetch_add(1, Ordering::Relaxed), *self.redis.borrow());
            self.moved.notify_one();
            let answer = timeout(PATIENCE, self.send(held, &self.house.straight(turn % 2))).await;
            let answer = answer.expect("nobody waits for ever").expect("the gateways are there");
            match answer.status.as_u16() {
                200 => return Some(answer),
                503 => {
                    assert_eq!(answer.json()["error"], "server_error");
                    // Nothing happens in a Redis that is not there.
                    is_unsure |= before.is_there || before != *self.redis.borrow();
                    self.wait(&answer).await;
                }
                _ => {
                    let refused = (answer.status.as_u16(), answer.json()["error"].clone());
                    assert_eq!(refused, (400, "invalid_grant".into()));
                    assert!(is_unsure, "what is good is refused: {}", answer.text());
                    self.anew.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            }
        }
        panic!("the gateways do not recover");
    }

    async fn send(&self, held: &Held, server: &str) -> Option<Answer> {
        match held {
            Held::Code(code) => self.app.redeem(server, code).await,
            Held::Refresh(token) => self.app.refresh(server, token).await,
        }
    }

    async fn sign_in(&self, person: &mut Person) -> String {
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY {
            let walk = timeout(PATIENCE, person.try_walk(&self.house.authorize(&self.app), BACK)).await;
            match walk.expect("nobody waits for ever") {
                Ok(back) => return parameter(&back, "code"),
                Err(Stopped::Trouble(page)) => {
                    assert_eq!(page.status, 503, "{}", page.text());
                    assert!(page.text().contains("Try again in a moment"), "{}", page.text());
                    self.wait(&page).await;
                }
                Err(Stopped::Silence(error)) => panic!("the gateways are there: {error}"),
            }
        }
        panic!("the gateways do not recover");
    }

    /// Heeds what an answer says that tells to come back later.
    async fn wait(&self, answer: &Answer) {
        assert_eq!(answer.header("retry-after"), "1", "{}", answer.text());
        self.sent_away.fetch_add(1, Ordering::Relaxed);
        self.moved.notify_one();
        let mut redis = self.redis.subscribe();
        let there = timeout(RECOVERY, redis.wait_for(|state| state.is_there)).await;
        there.expect("it is started again").unwrap();
        // Nobody says when a gateway has found it again.
        sleep(Duration::from_millis(50)).await;
    }

    /// Somebody who signs in, and whose client renews its tokens; and again where it has to.
    async fn live(&self, who: &str) -> Account {
        let (mut person, mut account, mut left) = (Person::called(who), Account::default(), REFRESHES);
        while left > 0 {
            let held = match account.last.take() {
                Some(last) => Held::Refresh(last),
                None => Held::Code(self.sign_in(&mut person).await),
            };
            let Some(answer) = self.ask(&held).await else { continue };
            left -= usize::from(matches!(held, Held::Refresh(_)));
            let (Held::Code(spent) | Held::Refresh(spent)) = held;
            account.take(&answer, spent, &self.house.secrets);
        }
        self.house.secrets.keep(person.carried());
        account
    }

    async fn reach(&self, count: &AtomicUsize, least: usize) {
        let reached = async {
            while count.load(Ordering::Relaxed) < least {
                self.moved.notified().await;
            }
        };
        timeout(RECOVERY, reached).await.expect("people go on");
    }

    fn redis_is(&self, there: bool) {
        self.redis.send_modify(|state| *state = State { is_there: there, changes: state.changes + 1 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_while_redis_is_killed_and_nothing_is_lost_or_comes_back() {
    let (mut redis, kept) = House::redis().await;
    let house = House::new(Keeping::In(&redis)).await;
    let gateways = house.gateways().await;
    let app = house.register("none").await;
    let count = AtomicUsize::default;
    let there = watch::Sender::new(State { is_there: true, changes: 0 });
    let (asked, sent_away, anew) = (count(), count(), count());
    let scene = Arc::new(Scene { house, app, redis: there, asked, sent_away, anew, moved: Notify::new() });
    let mut accounts = Vec::new();
    for round in 0..ROUNDS {
        let asked = scene.asked.load(Ordering::Relaxed);
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            let who = format!("person-{round}-{number}");
            scene.house.world.idp.add_person(idp::Person::new(&who));
            let scene = scene.clone();
            people.spawn(async move { scene.live(&who).await });
        }
        // Sooner or later in each round, while some are still on their way.
        scene.reach(&scene.asked, asked + (round * 7) % (PEOPLE * 3)).await;
        if round % HANGS == HANGS / 2 {
            // It is there, and says nothing: nobody waits for that long.
            redis.hang().await;
            let sent_away = scene.sent_away.load(Ordering::Relaxed);
            scene.reach(&scene.sent_away, sent_away + PEOPLE / 4).await;
        }
        redis.kill().await;
        scene.redis_is(false);
        let sent_away = scene.sent_away.load(Ordering::Relaxed);
        scene.reach(&scene.sent_away, sent_away + PEOPLE / 4).await;
        scene.redis_is(true);
        redis.restart().await;
        accounts.extend(people.join_all().await);
    }
    let [asked, sent_away, anew] =
        [&scene.asked, &scene.sent_away, &scene.anew].map(|count| count.load(Ordering::Relaxed));
    println!("{ROUNDS} kills: {asked} asked, {sent_away} times sent away, {anew} signed in anew");

    let Scene { house, app, .. } = &*scene;
    for (nth, account) in accounts.iter_mut().enumerate() {
        let last = account.last.take().unwrap();
        let answer = app.refresh(&house.straight(nth % 2), &last).await.unwrap();
        account.take(&answer, last, &house.secrets);
        if nth % 5 == 0 {
            let answer = house.note(&account.access).await;
            assert_eq!(answer["result"]["isError"], false, "the provider's token is there, too: {answer}");
        }
        account.assert_spent(app, &house.straight(nth % 2)).await;
    }
    assert_nothing_is_told(house, kept.path(), "after all of that");
    for gateway in &gateways {
        house.secrets.assert_not_in(gateway.log().lines().join("\n").as_bytes(), "the log");
    }
}
