//! From a file to what it means.

use super::{
    diagnostic::{Findings, Place, Problem},
    near::nearest,
    raw,
    resolved::{self, Gateway},
};
use serde_saphyr::{Error, Options};
use std::{fs, path::Path};

/// The gateway that a file describes, and what may be wrong with it all the same; or everything that keeps it from
/// being one.
pub(crate) fn load(path: &Path) -> Result<(Gateway, Vec<Problem>), Vec<Problem>> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        let remedy = "name a file that can be read, in UTF-8";
        vec![Problem::error(format!("the configuration cannot be read: {error}"), Place::at(&file), remedy)]
    })?;
    parse(&file, &text)
}

/// The same for a text that came from `file`.
pub(crate) fn parse(file: &str, text: &str) -> Result<(Gateway, Vec<Problem>), Vec<Problem>> {
    // Without the neighbouring lines that an error would quote: there may be secrets in them.
    let mut options = Options::default();
    options.with_snippet = false;
    let raw = serde_saphyr::from_str_with_options::<raw::Config>(text, options)
        .map_err(|error| vec![misshapen(file, &error)])?;
    let mut findings = Findings::in_file(file);
    let gateway = resolved::resolve(raw, &mut findings);
    let problems = findings.into_problems();
    match gateway {
        Some(gateway) if !problems.iter().any(Problem::is_error) => Ok((gateway, problems)),
        _ => Err(problems),
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "an enum of another crate, whose parser has many things to say"
)]
/// What a person does about a text that does not have the form of a configuration.
fn misshapen(file: &str, error: &Error) -> Problem {
    let place = error.location().map_or_else(|| Place::at(file), |at| Place::of(file, at));
    let choice = |known: &[&str]| format!("choose among: {}", known.join(", "));
    let meant = |written: &str, known: &[&'static str]| {
        nearest(written, known).map_or_else(|| choice(known), |word| format!("did you mean `{word}`?"))
    };
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            Problem::error(format!("unknown key `{field}`"), place, meant(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => Problem::error(
            format!("`{variant}` is none of the choices here"),
            place,
            meant(variant, expected),
        ),
        Error::SerdeMissingField { field, .. } => {
            Problem::error(format!("the key `{field}` is missing"), place, format!("add `{field}:` here"))
        }
        Error::SerdeInvalidType { expected, .. } => {
            let what = "a value of another kind is needed".to_owned();
            Problem::error(what, place, format!("write {expected}"))
        }
        Error::Unexpected { expected, .. } => Problem::error(
            format!("something else is needed here: {expected}"),
            place,
            "look at the keys around it",
        ),
        other => {
            let text = other.to_string();
            let what = text.lines().next().unwrap_or("this is not YAML").to_owned();
            Problem::error(what, place, "correct the YAML; look at indentation and quotes first")
        }
    }
}
