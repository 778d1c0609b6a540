use super::{error::Error, file::File, memory::Memory, redis::Redis, sealed::Store};
use crate::config::store::{Medium, Store as Settings};
use countersign::clock::SystemClock;
use std::sync::Arc;

/// How many records there may be in memory.
const CAPACITY: usize = 100_000;

impl Store {
    /// The store that a configuration describes.
    pub(crate) async fn described(settings: Settings) -> Result<Self, Error> {
        let Settings { medium, seal } = settings;
        Ok(match medium {
            Medium::Memory => Self::in_memory(Memory::new(Arc::new(SystemClock), CAPACITY), seal),
            Medium::File(path) => Self::in_file(File::open(path, Arc::new(SystemClock)).await?, seal),
            Medium::Redis(settings) => Self::in_redis(Redis::connect(&settings).await?, seal),
        })
    }
}
