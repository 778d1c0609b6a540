//! What the benchmarks share: a contest between ways of doing the same thing.
//!
//! On a shared machine an absolute time proves nothing, and two runs one after the other little more. So the
//! contestants take turns, a fraction of a millisecond each, and what counts is the ratio of their medians.
#![allow(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// Several ways of doing the same thing, timed in turns.
///
/// ```
/// use countersign_benches::Contest;
///
/// let medians = Contest::new("sum of a thousand numbers")
///     .rounds(3)
///     .entry("loop", || (0..1000_u64).fold(0, |sum, n| sum + n))
///     .entry("formula", || 1000_u64 * 999 / 2)
///     .run();
/// assert_eq!(medians.len(), 2);
/// ```
pub struct Contest<'a> {
    title: String,
    rounds: usize,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    name: String,
    /// Runs so many times, and says how long that took.
    work: Box<dyn FnMut(u32) -> Duration + 'a>,
}

/// For one turn of one contestant.
/// Shorter than what a scheduler gives at once, so that most turns are undisturbed where others want the processor too.
const TURN: Duration = Duration::from_micros(400);

/// How much is made at once where making is not timed: little enough to stay in the cache.
const BATCH: u32 = 32;

/// How much faster several threads are than one, each at the same work.
///
/// ```
/// let speedup = countersign_benches::speedup(2, 3, || || (0..1000_u64).sum::<u64>());
/// assert!(speedup > 0.0);
/// ```
pub fn speedup<T, W: FnMut() -> T>(threads: u32, rounds: usize, worker: impl Fn() -> W + Sync) -> f64 {
    let mut ratios: Vec<f64> = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let alone = rate(1, &worker);
        ratios.push(rate(threads, &worker) / alone);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(rounds / 2).copied().unwrap_or_default()
}

/// How often per second all threads together get their work done.
fn rate<T, W: FnMut() -> T>(threads: u32, worker: &(impl Fn() -> W + Sync)) -> f64 {
    const WHILE: Duration = Duration::from_millis(20);
    let barrier = Barrier::new(usize::try_from(threads).unwrap_or(usize::MAX));
    let rates = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut work = worker();
                    black_box(work());
                    barrier.wait();
                    let start = Instant::now();
                    let mut times = 0_u32;
                    while start.elapsed() < WHILE {
                        for _ in 0..64 {
                            black_box(work());
                        }
                        times += 64;
                    }
                    f64::from(times) / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_default()).collect::<Vec<f64>>()
    });
    rates.iter().sum()
}

impl<'a> Contest<'a> {
    /// A contest without contestants.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rounds: 501, entries: Vec::new() }
    }

    /// How many turns each contestant has (501).
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Adds a contestant. The first one is what the others are compared with.
    #[must_use]
    pub fn entry<T>(mut self, name: impl Into<String>, mut work: impl FnMut() -> T + 'a) -> Self {
        let repeated = move |times| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(work());
            }
            start.elapsed()
        };
        self.entries.push(Entry { name: name.into(), work: Box::new(repeated) });
        self
    }

    /// Adds a contestant that is given something new each time, and changes it. Neither making nor dropping it is
    /// timed.
    #[must_use]
    pub fn entry_with<I, T>(
        mut self,
        name: impl Into<String>,
        mut make: impl FnMut() -> I + 'a,
        mut work: impl FnMut(&mut I) -> T + 'a,
    ) -> Self {
        let repeated = move |times: u32| {
            let mut elapsed = Duration::ZERO;
            let mut left = times;
            while left > 0 {
                let now = left.min(BATCH);
                let mut given: Vec<I> = (0..now).map(|_| make()).collect();
                let start = Instant::now();
                for given in &mut given {
                    black_box(work(given));
                }
                elapsed += start.elapsed();
                left -= now;
            }
            elapsed
        };
        self.entries.push(Entry { name: name.into(), work: Box::new(repeated) });
        self
    }

    /// Runs it, prints a table, and returns the medians in the order of the contestants.
    pub fn run(mut self) -> Vec<Duration> {
        let repeats: Vec<u32> = self.entries.iter_mut().map(Entry::repeats_in_a_turn).collect();
        let mut samples = vec![Vec::with_capacity(self.rounds); self.entries.len()];
        for _ in 0..self.rounds {
            for ((entry, times), samples) in self.entries.iter_mut().zip(&repeats).zip(&mut samples) {
                samples.push((entry.work)(*times) / *times);
            }
        }
        let medians: Vec<Duration> = samples.into_iter().map(median).collect();
        let first = medians.first().copied().unwrap_or_default();
        println!("\n{}", self.title);
        for (entry, median) in self.entries.iter().zip(&medians) {
            let ratio = median.as_secs_f64() / first.as_secs_f64();
            println!("  {:<44} {:>10}   {ratio:>7.3} ×", entry.name, micros(*median));
        }
        medians
    }
}

impl Entry<'_> {
    /// Doubles until a turn is filled; the last try has warmed everything up.
    fn repeats_in_a_turn(&mut self) -> u32 {
        let mut times = 1;
        loop {
            if (self.work)(times) >= TURN {
                return times;
            }
            times = times.saturating_mul(2);
        }
    }
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

fn micros(duration: Duration) -> String {
    format!("{:.3} µs", duration.as_secs_f64() * 1e6)
}

impl std::fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contest").field("title", &self.title).finish_non_exhaustive()
    }
}
