//! Expressions over what is proven about a call, in [CEL](https://cel.dev).
//!
//! ```
//! use countersign::expression::{Expression, Supposed};
//!
//! let admins = Expression::compile(r#""admins" in claims.groups && !tool.destructive"#)?;
//! let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "alice", "groups": ["admins"]});
//! let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
//! assert!(admins.is_true(&alice.facts())?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Facts`] lists the names that an expression may use. Everything else is refused when it is compiled, with its
//! place marked: unknown names and functions, more than 1 KiB, more than 32 levels, a loop inside or over a
//! loop, a pattern for `matches()` that is not written out, and what cannot answer on any claims because the
//! types are wrong.
//!
//! A claim that is missing is an error of the evaluation, so ask `has(claims.team)` first. Only behind `in` does a
//! missing claim count as empty: `"admins" in claims.groups` is false for somebody without groups. An expression
//! without an answer has not said no: whoever asked refuses.

mod call;
mod check;
mod covers;
mod evaluate;
mod facts;
mod invalid;
mod levels;
mod names;
mod pattern;
mod possible;
mod program;
mod rewrite;
mod shortcuts;
#[cfg(test)]
mod tests;
mod tree;
mod trial;
mod values;

pub use self::{
    call::Call,
    evaluate::EvaluationError,
    facts::{Facts, InvalidClaims, Supposed},
    invalid::InvalidExpression,
};
use self::{program::Program, trial::Wanted};
use cel::common::types::{CelBool, CelString};
use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

/// A question about a call, with yes or no for an answer. Cloning it is cheap.
///
/// Two are equal when they ask the same in the same way, whatever the white space.
#[derive(Clone, PartialEq, Eq)]
pub struct Expression(Arc<Program>);

/// A text made from what is proven about a call, such as a tag. Cloning it is cheap.
///
/// ```
/// use countersign::expression::{Supposed, TextExpression};
///
/// let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "alice", "team": "data"});
/// let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
/// let team = TextExpression::compile("'team-' + claims.team")?;
/// assert_eq!(team.text(&alice.facts())?.as_deref(), Some("team-data"));
/// assert_eq!(TextExpression::compile("claims.cost_centre")?.text(&alice.facts())?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TextExpression(Arc<Program>);

impl Expression {
    /// Compiles what says yes or no.
    ///
    /// # Errors
    ///
    /// When it is not CEL, or not what is accepted of it.
    pub fn compile(source: &str) -> Result<Self, InvalidExpression> {
        Program::compile(source, Wanted::Truth).map(|program| Self(Arc::new(program)))
    }

    /// What it says about a call.
    ///
    /// # Errors
    ///
    /// When it says neither yes nor no, because something is missing or of another type. Then refuse.
    pub fn is_true(&self, facts: &Facts<'_>) -> Result<bool, EvaluationError> {
        self.0.evaluate(facts, |value| {
            value
                .downcast_ref::<CelBool>()
                .map(|truth| *truth.inner())
                .ok_or_else(|| EvaluationError::wrong_result("bool", value))
        })
    }

    /// Whether it says yes, or may say so once all of the call is known: what a list asks of everything in it.
    ///
    /// Whatever looks at what is not known yet counts as possible, so this hides nothing that could be used, and may
    /// show something that cannot. Where all is known, it is [`is_true`](Self::is_true), and `false` where that has no
    /// answer.
    ///
    /// ```
    /// use countersign::expression::{Call, Expression, Supposed};
    ///
    /// let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "alice", "team": "data"});
    /// let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
    /// let rule = Expression::compile("claims.team == 'data' && arguments.table == 'stock'")?;
    /// let call = Call::of("tools/call");
    /// assert!(rule.may_be_true(&alice.facts().calling(&call)));
    /// let arguments = serde_json::json!({"table": "wages"}).as_object().cloned().unwrap_or_default();
    /// let call = call.with_arguments(arguments);
    /// assert!(!rule.may_be_true(&alice.facts().calling(&call)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn may_be_true(&self, facts: &Facts<'_>) -> bool {
        self.0.may_be_true(facts)
    }

    /// What it always says, if it looks at nothing.
    pub fn constant(&self) -> Option<bool> {
        self.0.constant()
    }

    /// Whether this is true whenever `other` is, as far as their forms show: `a` covers `a && b`, and `a || b`
    /// covers `a`.
    pub fn covers(&self, other: &Self) -> bool {
        self.constant() == Some(true)
            || other.constant() == Some(false)
            || covers::covers(self.0.tree(), other.0.tree())
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// What it looks at: `claims.email`, `actor`, `tool.read_only`, `upstream.github.claims.login`; only
    /// `claims` or `upstream.github` where it searches through all of them.
    pub fn references(&self) -> &BTreeSet<String> {
        self.0.references()
    }
}

impl TextExpression {
    /// Compiles what yields a text.
    ///
    /// # Errors
    ///
    /// When it is not CEL, or not what is accepted of it.
    pub fn compile(source: &str) -> Result<Self, InvalidExpression> {
        Program::compile(source, Wanted::Text).map(|program| Self(Arc::new(program)))
    }

    /// What it yields for a call; `None` where that is null, or something that it asks for is missing.
    ///
    /// # Errors
    ///
    /// When it yields anything but a text, or a value is of another type than it expects. Then refuse.
    pub fn text(&self, facts: &Facts<'_>) -> Result<Option<String>, EvaluationError> {
        let text = self.0.evaluate(facts, |value| {
            Wanted::Text
                .check(value)
                .map(|()| value.downcast_ref::<CelString>().map(|text| text.inner().to_owned()))
        });
        match text {
            Err(error) if error.is_missing_key() => Ok(None),
            text => text,
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// What it looks at, as for an [`Expression`](Expression::references).
    pub fn references(&self) -> &BTreeSet<String> {
        self.0.references()
    }
}

macro_rules! written_as_its_source {
    ($($type:ident)+) => { $(
        impl FromStr for $type {
            type Err = InvalidExpression;

            fn from_str(source: &str) -> Result<Self, InvalidExpression> {
                Self::compile(source)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.source())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.source()).finish()
            }
        }
    )+ };
}

written_as_its_source!(Expression TextExpression);
