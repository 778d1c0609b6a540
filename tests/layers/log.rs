//! Everything that is logged, at every level.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing::{Level, subscriber::DefaultGuard};

/// What was logged on this thread since it was made: with a current-thread runtime, by the whole test.
pub(crate) struct Log {
    pages: Pages,
    _recording: DefaultGuard,
}

#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn record() -> Self {
        let pages = Pages::default();
        let writer = pages.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { pages, _recording: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pages.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that contain `mark`.
    pub(crate) fn lines(&self, mark: &str) -> Vec<String> {
        let text = self.text();
        text.lines().filter(|line| line.contains(mark)).map(str::to_owned).collect()
    }
}

impl Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
