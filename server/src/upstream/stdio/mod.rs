//! Backends that are programs, spoken to as if they were at an address.
//!
//! Whoever calls such a backend sends the requests of Streamable HTTP, and gets its answers: what is different about a
//! pipe stays in here. A program that keeps no sessions runs once, for all callers, as the specification has it: each
//! request says everything itself. One with sessions takes whoever is at the other end of its pipe for its only client:
//! it asks that one questions, logs for it and remembers its wishes, with nothing that says whom they are about. So each
//! session has a process of its own, and nobody hears what is another's.

mod answer;
mod backoff;
mod board;
mod bridge;
mod log;
mod message;
mod process;
mod shared;

pub(crate) use self::backoff::Unavailable;
pub(super) use self::bridge::Bridge;
