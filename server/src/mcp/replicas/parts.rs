//! Words of any length, through a store that takes short messages only.

use super::Word;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// A word, or some of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) from: String,
    /// Whom it is for: all, where nobody is named.
    pub(super) to: Option<String>,
    /// The number of the word that it is of, and its place in that.
    word: u64,
    place: usize,
    is_last: bool,
    text: String,
}

/// Words of which only some has come.
#[derive(Debug, Default)]
pub(super) struct Parts(HashMap<(String, u64), Begun>);

#[derive(Debug)]
struct Begun {
    text: String,
    next: usize,
    since: Instant,
}

/// How long the text of a part may be: written as a string it is at most twice as long, and sealed a little more.
const LARGEST: usize = 64 * 1024;
/// How long a word may be under way.
const PATIENCE: Duration = Duration::from_secs(60);

impl Part {
    /// The parts of `word`, the `number`th that this replica says, in their order.
    pub(super) fn of(
        word: &Word,
        number: u64,
        from: &str,
        to: Option<&str>,
    ) -> Result<Vec<Self>, serde_json::Error> {
        let text = serde_json::to_string(word)?;
        let texts = cut(&text);
        let last = texts.len() - 1;
        let part = |(place, text): (usize, &str)| Self {
            from: from.to_owned(),
            to: to.map(ToOwned::to_owned),
            word: number,
            place,
            is_last: place == last,
            text: text.to_owned(),
        };
        Ok(texts.into_iter().enumerate().map(part).collect())
    }
}

/// The same text in pieces, of which there is at least one.
fn cut(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while text.len() > LARGEST {
        let (piece, rest) = text.split_at(text.floor_char_boundary(LARGEST));
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

impl Parts {
    /// The word that is whole with this part.
    pub(super) fn add(&mut self, part: Part, now: Instant) -> Option<Word> {
        let text = match (part.place, part.is_last) {
            (0, true) => part.text,
            (0, false) => {
                // Whoever began it may have ended since.
                self.0.retain(|_, begun| now.duration_since(begun.since) < PATIENCE);
                let begun = Begun { text: part.text, next: 1, since: now };
                self.0.entry((part.from, part.word)).or_insert(begun);
                return None;
            }
            (place, is_last) => {
                let name = (part.from, part.word);
                let mut begun = self.0.remove(&name).filter(|begun| begun.next >= place)?;
                if begun.next > place {
                    // The store was asked twice, as it did not answer.
                    self.0.insert(name, begun);
                    return None;
                }
                begun.text.push_str(&part.text);
                if !is_last {
                    begun.next += 1;
                    self.0.insert(name, begun);
                    return None;
                }
                begun.text
            }
        };
        let word = serde_json::from_str(&text);
        word.inspect_err(
            |error| tracing::warn!(%error, "another replica says what this version does not know"),
        )
        .ok()
    }

    /// Some may have been missed of any of them.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::relayed::Piece, *};
    use proptest::prelude::*;

    fn word(text: &str) -> Word {
        Word::Told { call: "it".to_owned(), number: 7, piece: Piece::Event(text.to_owned()) }
    }

    fn said(word: Option<Word>) -> String {
        match word {
            Some(Word::Told { piece: Piece::Event(text), .. }) => text,
            other => panic!("{other:?}"),
        }
    }

    fn parts_of(text: &str, number: u64) -> Vec<Part> {
        Part::of(&word(text), number, "here", Some("there")).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn words_arrive_whole_and_no_part_is_too_long_for_a_record(
            pieces in proptest::collection::vec("\\PC{0,9}|[\"\\\\\u{0}\n]{0,9}|ß€😀", 1..9),
            times in 1_usize..20_000,
        ) {
            let text = pieces.concat().repeat(times);
            let (mut parts, mut whole) = (Parts::default(), None);
            for part in parts_of(&text, 1) {
                prop_assert!(whole.is_none(), "there is more");
                prop_assert!(serde_json::to_string(&part).unwrap().len() <= 256 * 1024);
                whole = parts.add(part, Instant::now());
            }
            prop_assert_eq!(said(whole), text);
            prop_assert!(parts.0.is_empty());
        }
    }

    #[test]
    fn words_of_several_may_come_at_once_and_what_misses_a_part_is_none() {
        let texts = ["a", "b", "c"].map(|letter| letter.repeat(3 * LARGEST));
        let mut coming =
            [0, 1, 2].map(|number: u8| parts_of(&texts[usize::from(number)], number.into()).into_iter());
        // One part of this one is lost.
        coming[2].nth(1);
        let (mut parts, mut whole) = (Parts::default(), Vec::new());
        while coming.iter().any(|left| left.len() > 0) {
            for left in &mut coming {
                whole.extend(left.next().and_then(|part| parts.add(part, Instant::now())));
            }
        }
        let whole: Vec<_> = whole.into_iter().map(|word| said(Some(word))).collect();
        assert_eq!(whole, texts[..2]);
    }

    #[test]
    fn what_nobody_ends_is_forgotten_when_something_else_begins() {
        let (mut parts, begin) = (Parts::default(), Instant::now());
        let first = |number| parts_of(&"a".repeat(2 * LARGEST), number).remove(0);
        assert!(parts.add(first(1), begin).is_none());
        assert!(parts.add(first(2), begin + PATIENCE).is_none());
        assert_eq!(parts.0.len(), 1);
    }
}
