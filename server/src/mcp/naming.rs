//! What clients call the tools and prompts of several backends.

use aws_lc_rs::digest::{SHA256, digest};

/// How long the name of a tool may be: clients refuse longer ones.
const LONGEST: usize = 64;
/// Between a backend's name and a tool's.
const BETWEEN: &str = "__";

/// Tells apart what backends call by the same name.
#[derive(Debug)]
pub(super) struct Naming {
    /// The backends' names; without a prefix, none counts.
    prefixes: Option<Vec<String>>,
}

impl Naming {
    /// Every name begins with its backend's.
    pub(super) fn prefixed(backends: impl IntoIterator<Item = String>) -> Self {
        Self { prefixes: Some(backends.into_iter().collect()) }
    }

    /// Names stay as they are.
    pub(super) fn plain() -> Self {
        Self { prefixes: None }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.prefixes.is_none()
    }

    /// What clients call what the backend at `place` calls `name`.
    pub(super) fn exposed(&self, place: usize, name: &str) -> String {
        match self.prefixes.as_ref().and_then(|prefixes| prefixes.get(place)) {
            Some(backend) => shortened(&format!("{backend}{BETWEEN}{name}")),
            None => name.to_owned(),
        }
    }

    /// Which backend a name is of, and what that calls it; unless it [was shortened](is_shortened).
    pub(super) fn split<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        let (backend, rest) = name.split_once(BETWEEN)?;
        let place = self.prefixes.as_ref()?.iter().position(|known| known == backend)?;
        Some((place, rest))
    }
}

/// Whether only a list tells which name this stands for.
pub(super) fn is_shortened(name: &str) -> bool {
    let Some((_, mark)) = name.rsplit_once('_') else { return false };
    mark.len() == 8 && mark.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name as it is where that fits; otherwise as much of it as fits, and a mark that no other name has.
fn shortened(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.len() <= LONGEST && name.chars().all(fits) {
        return name.to_owned();
    }
    let clean = name.chars().map(|letter| if fits(letter) { letter } else { '_' });
    let start: String = clean.take(LONGEST - 9).collect();
    let hash = digest(&SHA256, name.as_bytes());
    let mark: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{start}_{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming() -> Naming {
        Naming::prefixed(["aws".to_owned(), "git-hub".to_owned()])
    }

    #[test]
    fn a_name_leads_back_to_its_backend() {
        for (place, name, exposed) in [
            (0, "query", "aws__query"),
            (1, "a__b", "git-hub__a__b"),
            (1, "_x", "git-hub___x"),
            (0, "", "aws__"),
        ] {
            assert_eq!(naming().exposed(place, name), exposed);
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
            let exposed = naming().exposed(0, &name);
            assert!(exposed.len() <= LONGEST, "{exposed}");
            assert!(
                exposed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
                "{exposed}"
            );
            assert!(is_shortened(&exposed), "{exposed}");
            assert_eq!(naming().split(&exposed).unwrap().0, 0);
            assert_eq!(exposed, naming().exposed(0, &name));
        }
        assert_ne!(naming().exposed(0, "a b"), naming().exposed(0, "a.b"));
        let longest = "x".repeat(LONGEST - "aws__".len());
        assert_eq!(naming().exposed(0, &longest), format!("aws__{longest}"));
    }

    #[test]
    fn without_a_prefix_names_stay() {
        assert_eq!(Naming::plain().exposed(1, "two words"), "two words");
        assert_eq!(Naming::plain().split("aws__query"), None);
    }
}
