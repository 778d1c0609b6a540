//! A form, as OAuth has clients send it: each parameter once.

use super::error::{Code, Refusal};
use std::borrow::Cow;

/// What a client sent.
pub(super) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// # Errors
    ///
    /// When a parameter is there twice: two programs might read two different requests. `resource` alone may be.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text).collect();
        let mut names: Vec<&str> =
            pairs.iter().map(|(name, _)| &**name).filter(|name| *name != "resource").collect();
        names.sort_unstable();
        match names.array_windows().find(|[one, other]| one == other) {
            Some([twice, _]) => {
                Err(Refusal::new(Code::InvalidRequest, format!("`{}` is there twice", shown(twice))))
            }
            None => Ok(Self(pairs)),
        }
    }

    /// A parameter's value. An empty one is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| &**value)
    }

    /// # Errors
    ///
    /// Without it.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::new(Code::InvalidRequest, format!("`{name}` is missing")))
    }
}

/// As much of a name as can be told.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_graphic()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_there_once() {
        let form = Form::parse(b"a=1&resource=x&b=%20c+d&resource=y&empty=").ok().unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("empty")), (Some("1"), Some(" c d"), None));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.need("c").unwrap_err().what(), "`c` is missing");
        for text in ["a=1&a=1", "code=x&b=&code=", "a&a"] {
            assert_eq!(Form::parse(text.as_bytes()).err().unwrap().code(), Code::InvalidRequest, "{text}");
        }
    }
}
