//! What is wrong, where, and what to do about it.

use serde::Serialize;
use serde_saphyr::Location;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is wrong or risky.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    severity: Severity,
    what: String,
    #[serde(flatten)]
    place: Place,
    remedy: String,
}

/// Whether the server starts all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// Where a problem is: in a file, or somewhere that has a name.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Place {
    In { file: String, line: u64, column: u64 },
    At { place: String },
}

/// A file while its values are looked at, and what was found so far.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    problems: Vec<Problem>,
}

impl Problem {
    /// An error.
    pub(crate) fn error(what: impl Into<String>, place: Place, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Error, what: what.into(), place, remedy: remedy.into() }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Place {
    /// Somewhere outside of files.
    pub(crate) fn at(place: impl Into<String>) -> Self {
        Self::At { place: place.into() }
    }

    /// A file's position; the file alone where the parser lost it.
    pub(crate) fn of(file: &str, location: Location) -> Self {
        if location == Location::UNKNOWN {
            return Self::at(file);
        }
        Self::In { file: file.to_owned(), line: location.line(), column: location.column() }
    }
}

impl Findings {
    pub(crate) fn in_file(file: &str) -> Self {
        Self { file: file.to_owned(), problems: Vec::new() }
    }

    /// Where a path leads that is written in this file: relative ones begin at its folder.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        Path::new(&self.file).parent().unwrap_or(Path::new("")).join(path)
    }

    /// Something that has to be changed.
    pub(crate) fn error(&mut self, location: Location, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, location, what.into(), remedy.into());
    }

    /// Something that works and may not be what was meant.
    pub(crate) fn warn(&mut self, location: Location, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, location, what.into(), remedy.into());
    }

    /// Everything that was found.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    fn add(&mut self, severity: Severity, location: Location, what: String, remedy: String) {
        let place = Place::of(&self.file, location);
        self.problems.push(Problem { severity, what, place, remedy });
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, what, place, remedy } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {what}\n  where: {place}\n  what to do: {remedy}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::At { place } => f.write_str(place),
        }
    }
}
