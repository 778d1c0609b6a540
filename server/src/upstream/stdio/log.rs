//! What a program says on its standard error, in this server's log.

use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    time::Instant,
};

/// How much of a line is of interest.
const LONGEST: usize = 4 * 1024;
/// How many lines a program may say in a while.
const MOST: u32 = 200;
const WHILE: Duration = Duration::from_secs(10);

/// Passes every line on until there are no more. That it is standard error says nothing about how bad it is.
pub(super) async fn pass_on(errors: impl AsyncRead + Unpin, backend: &str) {
    let mut errors = BufReader::new(errors);
    let (mut line, mut since, mut said) = (Vec::new(), Instant::now(), 0_u32);
    while next(&mut errors, &mut line).await {
        if since.elapsed() >= WHILE {
            if said > MOST {
                tracing::info!(backend, left_out = said - MOST, "said more than is logged");
            }
            (since, said) = (Instant::now(), 0);
        }
        said = said.saturating_add(1);
        if said <= MOST {
            tracing::info!(backend, "{}", printable(&line));
        }
    }
    if said > MOST {
        tracing::info!(backend, left_out = said - MOST, "said more than is logged");
    }
}

/// Reads as much of the next line as is of interest; `false` where there is none.
async fn next(errors: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> bool {
    line.clear();
    let mut any = false;
    loop {
        let Ok(piece) = errors.fill_buf().await else { return any };
        if piece.is_empty() {
            return any;
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        let room = LONGEST.saturating_sub(line.len());
        line.extend(text.iter().take(room));
        let used = end.map_or(piece.len(), |end| end + 1);
        errors.consume(used);
        if end.is_some() {
            return true;
        }
    }
}

/// Nothing in it moves the cursor of whoever reads the log, or changes its colours.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    text.chars()
        .map(|letter| if letter.is_control() && letter != '\t' { '\u{fffd}' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_and_cleaned() {
        let text = format!("one\n{}\n\u{1b}[31mred\r\n\nlast", "x".repeat(100_000));
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        while next(&mut reader, &mut line).await {
            lines.push(printable(&line));
        }
        let long = "x".repeat(LONGEST);
        assert_eq!(lines, ["one", &long, "\u{fffd}[31mred", "", "last"]);
    }
}
