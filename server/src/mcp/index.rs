//! Which texts fit a few words best: BM25, as Robertson and Zaragoza describe it ("The Probabilistic Relevance Framework",
//! 2009), with the never negative weights of words that most search engines use.

use std::collections::HashMap;

/// How soon more of the same word makes no difference.
const K1: f64 = 1.2;
/// How much long texts are held back.
const B: f64 = 0.75;

/// Texts, by the words in them.
#[derive(Debug, Default)]
pub(super) struct Index {
    texts: Vec<Text>,
    /// In how many texts a word is.
    spread: HashMap<String, u32>,
}

#[derive(Debug)]
struct Text {
    counts: HashMap<String, u32>,
    length: u32,
}

impl Index {
    /// Adds a text, as its parts, and how often each of them counts. Its number is how many there were.
    pub(super) fn add<'t>(&mut self, parts: impl IntoIterator<Item = (&'t str, u32)>) {
        let mut text = Text { counts: HashMap::new(), length: 0 };
        for (part, weight) in parts {
            for word in words(part) {
                let count = text.counts.entry(word).or_default();
                *count = count.saturating_add(weight);
                text.length = text.length.saturating_add(weight);
            }
        }
        for word in text.counts.keys() {
            *self.spread.entry(word.clone()).or_default() += 1;
        }
        self.texts.push(text);
    }

    /// The texts that have any of the words in `query`, the best first; of equal ones, the earlier.
    pub(super) fn best(&self, query: &str, limit: usize) -> Vec<usize> {
        let mut wanted: Vec<String> = words(query).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let scored = (0..).zip(&self.texts).map(|(number, text)| (number, self.score(text, &wanted)));
        let mut scored: Vec<(usize, f64)> = scored.filter(|(_, score)| *score > 0.0).collect();
        scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        scored.into_iter().take(limit).map(|(number, _)| number).collect()
    }

    fn score(&self, text: &Text, wanted: &[String]) -> f64 {
        let count = f64::from(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let total: f64 = self.texts.iter().map(|text| f64::from(text.length)).sum();
        let relative = f64::from(text.length) * count / total.max(1.0);
        let of_word = |word: &String| {
            let often = f64::from(text.counts.get(word).copied().unwrap_or_default());
            let spread = f64::from(self.spread.get(word).copied().unwrap_or_default());
            let weight = (1.0 + (count - spread + 0.5) / (spread + 0.5)).ln();
            weight * often * (K1 + 1.0) / (often + K1 * (1.0 - B + B * relative))
        };
        wanted.iter().map(of_word).sum()
    }
}

/// Runs of letters and digits, in lower case; `listItems` is two of them, and `HTTPServer` too.
fn words(text: &str) -> impl Iterator<Item = String> {
    let runs = text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.flat_map(|run| {
        let mut words = vec![String::new()];
        let mut letters = run.chars().peekable();
        let mut before: Option<char> = None;
        while let Some(letter) = letters.next() {
            let starts = before.is_some_and(|before| {
                let after_small = !before.is_uppercase() && letter.is_uppercase();
                let of_next = letter.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase());
                after_small || of_next
            });
            if starts {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(letter.to_lowercase());
            }
            before = Some(letter);
        }
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(texts: &[&str]) -> Index {
        let mut index = Index::default();
        texts.iter().for_each(|text| index.add([(*text, 1)]));
        index
    }

    fn scores(index: &Index, query: &str) -> Vec<f64> {
        let wanted: Vec<_> = words(query).collect();
        index.texts.iter().map(|text| index.score(text, &wanted)).collect()
    }

    #[test]
    fn scores_are_those_computed_by_hand() {
        // Three texts of 2, 4 and 3 words, 3 on average. `drop` is in one of them: ln(1 + 2.5 / 1.5) = 0.980829;
        // `table` in two: ln(1 + 1.5 / 2.5) = 0.470004; `the` in all: ln(1 + 0.5 / 3.5) = 0.133531.
        let index = of(&["list the", "drop the table now", "the the table"]);
        // Lengths count as 1.2 · (0.25 + 0.75 · 2/3) = 0.9, 1.2 · (0.25 + 0.75 · 4/3) = 1.5, and 1.2.
        let expected = [
            ("drop", [0.0, 0.980_829 * 2.2 / 2.5, 0.0]),
            ("table", [0.0, 0.470_004 * 2.2 / 2.5, 0.470_004 * 2.2 / 2.2]),
            ("the", [0.133_531 * 2.2 / 1.9, 0.133_531 * 2.2 / 2.5, 0.133_531 * 4.4 / 3.2]),
            ("nothing", [0.0; 3]),
        ];
        for (word, expected) in expected {
            for (score, expected) in scores(&index, word).into_iter().zip(expected) {
                assert!((score - expected).abs() < 1e-5, "{word}: {score} {expected}");
            }
        }
        assert_eq!(index.best("drop a table", 9), [1, 2]);
        assert_eq!(index.best("drop a table", 1), [1]);
        assert!(index.best("nothing of it", 9).is_empty() && index.best("", 9).is_empty());
    }

    #[test]
    fn what_counts_more_comes_first_and_of_equals_the_earlier() {
        let mut index = Index::default();
        index.add([("orders", 1), ("creates one", 1)]);
        index.add([("create", 3), ("orders", 1)]);
        index.add([("create", 3), ("orders", 1)]);
        assert_eq!(index.best("create orders", 3), [1, 2, 0]);
        assert_eq!(index.best("ORDERS orders", 2), index.best("orders", 2));
    }

    #[test]
    fn names_are_made_of_words() {
        for (text, expected) in [
            ("listItems", vec!["list", "items"]),
            ("list_all-items.v2", vec!["list", "all", "items", "v2"]),
            ("parseHTTPRequest", vec!["parse", "http", "request"]),
            ("Größe messen", vec!["größe", "messen"]),
            ("__", vec![]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn only_texts_with_one_of_the_words_are_found_and_all_of_them(
            texts in proptest::collection::vec("[a-e ]{0,12}", 0..8),
            query in "[a-f ]{0,6}",
        ) {
            let index = of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let mut found = index.best(&query, usize::MAX);
            found.sort_unstable();
            let wanted: Vec<_> = words(&query).collect();
            let fits = |text: &&String| words(text).any(|word| wanted.contains(&word));
            let expected: Vec<_> = (0..).zip(&texts).filter(|(_, text)| fits(text)).map(|(at, _)| at).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
