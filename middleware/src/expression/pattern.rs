//! Regular expressions, made once: `x.matches('a+')` becomes a call with a name instead,
//! one that nobody can write.

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{CelBool, CelString, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use regex::{Regex, RegexBuilder};
use std::any::Any;

/// How large one may grow in memory.
const LARGEST: usize = 256 * 1024;

const NAME: &str = "@pattern";

static TYPE: Type = Type::new_unspecified_type(NAME);

/// The second argument of `matches`.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    name: String,
    regex: Regex,
}

impl Pattern {
    pub(super) fn new(source: &str) -> Result<Self, String> {
        match RegexBuilder::new(source).size_limit(LARGEST).build() {
            Ok(regex) => Ok(Self { name: name_of(source), regex }),
            Err(regex::Error::CompiledTooBig(_)) => Err("this pattern is too large".to_owned()),
            Err(_) => Err("this is no regular expression".to_owned()),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

pub(super) fn named<'p>(name: &str, patterns: &'p [Pattern]) -> Option<&'p Pattern> {
    patterns.iter().find(|pattern| pattern.name == name)
}

pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let pattern = Type::new_unspecified_type(NAME);
    environment.add_member_overload("matches", "string_matches_pattern", STRING_TYPE, vec![pattern], matches)
}

/// What the second argument of `matches` is called in a tree: by its source, so that equal names mean equal
/// patterns.
fn name_of(source: &str) -> String {
    format!("{NAME} {source}")
}

#[allow(clippy::needless_pass_by_value, reason = "the interpreter passes arguments so")]
fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.iter().map(|argument| argument.as_ref());
    let text = arguments.next().and_then(|text| text.downcast_ref::<CelString>());
    let pattern = arguments.next().and_then(|pattern| pattern.downcast_ref::<Pattern>());
    match (text, pattern) {
        (Some(text), Some(pattern)) => Ok(CowVal::owned(CelBool::from(pattern.regex.is_match(text.inner())))),
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}
