use crate::config::diagnostic::{Place, Problem};
use std::{fmt, process::ExitCode};

/// Why a command ends early: one problem or several, and what scripts are told.
#[derive(Debug)]
pub(super) struct Failure {
    problems: Vec<Problem>,
    exit: u8,
}

impl Failure {
    /// Something about the command line, or about what it found around it.
    pub(super) fn usage(
        what: impl Into<String>,
        place: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { problems: vec![Problem::error(what, Place::at(place), remedy)], exit: 2 }
    }

    /// A configuration that cannot be used.
    pub(super) fn configuration(problems: Vec<Problem>) -> Self {
        Self { problems, exit: 1 }
    }

    /// What cannot happen and did.
    pub(super) fn fault(what: impl fmt::Display, place: &str) -> Self {
        Self::usage(what.to_string(), place, "this is a fault of the program; please report it")
    }

    pub(super) fn exit(&self) -> ExitCode {
        self.exit.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.problems.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}
