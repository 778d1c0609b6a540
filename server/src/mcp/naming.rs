//! What clients call the tools and prompts of several backends.

use super::catalog::Kind;
use crate::config::naming::{LONGEST_NAME, Named, Naming as Chosen, fits};
use aws_lc_rs::digest::{SHA256, digest};

/// Tells apart what backends call by the same name.
#[derive(Debug)]
pub(super) struct Naming {
    how: How,
    /// The backends' places, in the order in which their names count.
    order: Vec<usize>,
}

#[derive(Debug)]
enum How {
    /// What the names of each backend begin with. None begins with another.
    Prefixed(Vec<String>),
    Plain,
    Manual(Vec<Named>),
}

impl Naming {
    /// As the operator chose for as many `backends`.
    pub(super) fn of(chosen: Chosen, backends: usize) -> Self {
        let in_order = || (0..backends).collect();
        match chosen {
            Chosen::Prefixed(prefixes) => Self { how: How::Prefixed(prefixes), order: in_order() },
            Chosen::Plain { order } => Self { how: How::Plain, order },
            Chosen::Manual(named) => Self { how: How::Manual(named), order: in_order() },
        }
    }

    /// Whether names stay as they are.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.how, How::Plain)
    }

    /// Whether a name says whose it is.
    pub(super) fn says_whose(&self) -> bool {
        matches!(self.how, How::Prefixed(_))
    }

    /// When the names of the backend at `place` count: the lower, the earlier.
    pub(super) fn rank(&self, place: usize) -> usize {
        self.order.iter().position(|known| *known == place).unwrap_or(usize::MAX)
    }

    /// What clients call the tool or prompt that the backend at `place` calls `name`.
    pub(super) fn exposed(&self, kind: Kind, place: usize, name: &str) -> String {
        match &self.how {
            How::Prefixed(prefixes) => match prefixes.get(place) {
                Some(prefix) => shortened(&format!("{prefix}{name}")),
                None => name.to_owned(),
            },
            How::Plain => name.to_owned(),
            How::Manual(named) => {
                let named = named.get(place).map(|named| match kind {
                    Kind::Tools => &named.tools,
                    Kind::Prompts | Kind::Resources | Kind::Templates => &named.prompts,
                });
                named.and_then(|named| named.get(name)).map_or(name, String::as_str).to_owned()
            }
        }
    }

    /// Which backend a name is of, and what that calls it; unless it [was shortened](is_shortened).
    pub(super) fn split<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        let How::Prefixed(prefixes) = &self.how else { return None };
        let mut owners = prefixes.iter().enumerate();
        owners.find_map(|(place, prefix)| Some((place, name.strip_prefix(prefix.as_str())?)))
    }
}

/// Whether only a list tells which name this stands for.
pub(super) fn is_shortened(name: &str) -> bool {
    let Some((_, mark)) = name.rsplit_once('_') else { return false };
    mark.len() == 8 && mark.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name as it is where that fits; otherwise as much of it as fits, and a mark that no other name has.
fn shortened(name: &str) -> String {
    if fits(name) {
        return name.to_owned();
    }
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let clean = name.chars().map(|letter| if fits(letter) { letter } else { '_' });
    let start: String = clean.take(LONGEST_NAME - 9).collect();
    let hash = digest(&SHA256, name.as_bytes());
    let mark: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{start}_{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming::of(Chosen::Prefixed(vec!["aws__".to_owned(), "git-hub__".to_owned()]), 2)
    }

    #[test]
    fn a_name_leads_back_to_its_backend() {
        for (place, name, exposed) in [
            (0, "query", "aws__query"),
            (1, "a__b", "git-hub__a__b"),
            (1, "_x", "git-hub___x"),
            (0, "", "aws__"),
        ] {
            assert_eq!(naming().exposed(Kind::Tools, place, name), exposed);
            assert_eq!(naming().split(exposed), Some((place, name)));
        }
        for name in ["query", "other__query", "aws_query", "__query", ""] {
            assert_eq!(naming().split(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_do_not_fit_become_short_ones_always_the_same() {
        for name in
            ["x".repeat(200), "two words".into(), "über".into(), "line\r\nbreak".into(), "a.b/c".into()]
        {
            let exposed = naming().exposed(Kind::Tools, 0, &name);
            assert!(exposed.len() <= LONGEST_NAME, "{exposed}");
            assert!(
                exposed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
                "{exposed}"
            );
            assert!(is_shortened(&exposed), "{exposed}");
            assert_eq!(naming().split(&exposed).unwrap().0, 0);
            assert_eq!(exposed, naming().exposed(Kind::Tools, 0, &name));
        }
        assert_ne!(naming().exposed(Kind::Tools, 0, "a b"), naming().exposed(Kind::Tools, 0, "a.b"));
        let longest = "x".repeat(LONGEST_NAME - "aws__".len());
        assert_eq!(naming().exposed(Kind::Tools, 0, &longest), format!("aws__{longest}"));
    }

    #[test]
    fn without_a_prefix_names_stay() {
        let plain = Naming::of(Chosen::Plain { order: vec![1, 0] }, 2);
        assert_eq!(plain.exposed(Kind::Tools, 1, "two words"), "two words");
        assert_eq!(plain.split("aws__query"), None);
        assert!(plain.rank(1) < plain.rank(0));
    }

    #[test]
    fn what_is_named_by_hand_has_that_name_and_the_rest_its_own() {
        let named = Named { tools: [("query".to_owned(), "ask".to_owned())].into(), ..Named::default() };
        let naming = Naming::of(Chosen::Manual(vec![Named::default(), named]), 2);
        assert_eq!(naming.exposed(Kind::Tools, 1, "query"), "ask");
        assert_eq!(naming.exposed(Kind::Prompts, 1, "query"), "query");
        assert_eq!(naming.exposed(Kind::Tools, 0, "query"), "query");
        assert!(!naming.is_plain() && naming.split("ask").is_none());
    }
}
