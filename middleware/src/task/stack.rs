use std::{io, thread};

/// What `work` runs on: room for whatever may be asked for, of which the system gives out only what is touched.
const STACK: usize = 16 * 1024 * 1024;

/// Runs `work` on a stack of its own and waits for it. A panic in there ends here, as an error.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("countersign-parser".to_owned()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work)?;
        thread.join().map_err(|_| io::Error::other("it panicked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_elsewhere_and_a_panic_stays_there() {
        let here = thread::current().id();
        let there = on_large_stack(|| thread::current().id()).unwrap();
        assert_ne!(here, there);
        assert!(on_large_stack(|| assert_eq!(here, there)).is_err());
    }
}
