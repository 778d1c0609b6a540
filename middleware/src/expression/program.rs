use super::{
    call::Call,
    check::{Problem, check},
    evaluate::{ENVIRONMENT, EvaluationError, evaluate},
    facts::Facts,
    invalid::InvalidExpression,
    levels,
    pattern::Pattern,
    possible::Chances,
    rewrite::rewrite,
    shortcuts,
    tree::{depth, forget_places},
    trial::{self, Wanted},
};
use crate::{
    proof::{Operation, UpstreamTokens},
    task::on_large_stack,
};
use cel::{
    IdedExpr,
    common::{types::CelBool, value::Val},
    parser::ParseErrors,
};
use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};

/// An expression that was found to be all right.
pub(super) struct Program {
    source: String,
    tree: IdedExpr,
    patterns: Vec<Pattern>,
    references: BTreeSet<String>,
    constant: Option<bool>,
}

impl Program {
    /// Parses and tries `source` on a stack that is large enough for all that [`levels`] lets pass. What comes
    /// of it is at most [`levels::LEVELS`] deep, which any stack has room for.
    pub(super) fn compile(source: &str, wanted: Wanted) -> Result<Self, InvalidExpression> {
        levels::check(source)?;
        on_large_stack(|| compile(source, wanted)).unwrap_or_else(|error| {
            Err(InvalidExpression::new(source, 0, format!("it cannot be parsed: {error}")))
        })
    }

    pub(super) fn evaluate<T>(
        &self,
        facts: &Facts<'_>,
        read: impl FnOnce(&dyn Val) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        evaluate(&self.tree, &self.patterns, facts, read)?
    }

    /// Whether it says yes, or may as soon as everything is known.
    pub(super) fn may_be_true(&self, facts: &Facts<'_>) -> bool {
        Chances::of(&self.tree, &self.patterns, facts).yes
    }

    pub(super) fn constant(&self) -> Option<bool> {
        self.constant
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn tree(&self) -> &IdedExpr {
        &self.tree
    }

    pub(super) fn references(&self) -> &BTreeSet<String> {
        &self.references
    }
}

fn compile(source: &str, wanted: Wanted) -> Result<Program, InvalidExpression> {
    let parsed = ENVIRONMENT.parser().parse_with_source_info(source);
    let (mut tree, places) = parsed.map_err(|errors| syntax_error(source, &errors))?;
    let placed = |problem: Problem| {
        let start = places.offset_for(problem.id).map_or(0, |(start, _)| usize::try_from(start).unwrap_or(0));
        let at = source.char_indices().take_while(|(byte, _)| *byte < start).count();
        InvalidExpression::new(source, at, problem.what)
    };
    let references = check(&tree).map_err(placed)?;
    let patterns = rewrite(&mut tree).map_err(placed)?;
    if depth(&tree) > levels::LEVELS {
        let what = format!("it is nested deeper than {} levels; split it into several rules", levels::LEVELS);
        return Err(InvalidExpression::new(source, 0, what));
    }
    trial::run(&tree, &patterns, wanted).map_err(placed)?;
    shortcuts::take(&mut tree);
    forget_places(&mut tree);
    let constant = if references.is_empty() { constant(&tree, &patterns) } else { None };
    Ok(Program { source: source.to_owned(), tree, patterns, references, constant })
}

fn constant(tree: &IdedExpr, patterns: &[Pattern]) -> Option<bool> {
    let (claims, nobody) = (Map::new(), UpstreamTokens::new(BTreeMap::new()));
    let (operation, call) = (Operation::on(""), Call::of(""));
    let facts = Facts::made_up(&claims, &[], &nobody, &operation, &call);
    let truth = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
    evaluate(tree, patterns, &facts, truth).ok().flatten()
}

/// The parser's first complaint.
fn syntax_error(source: &str, errors: &ParseErrors) -> InvalidExpression {
    let Some(error) = errors.errors.first() else {
        return InvalidExpression::new(source, 0, "it is no expression");
    };
    let (line, column) =
        (usize::try_from(error.pos.0).unwrap_or(1), usize::try_from(error.pos.1).unwrap_or(1));
    let before = source.split_inclusive('\n').take(line.saturating_sub(1));
    let at = before.map(|line| line.chars().count()).sum::<usize>() + column.saturating_sub(1);
    InvalidExpression::new(source, at, plainly(&error.msg))
}

/// The parser also lists what it would have expected, which is half of the grammar.
fn plainly(message: &str) -> String {
    let (what, _) = message.split_once(" expecting ").unwrap_or((message, ""));
    let token = what.split_once(" input '").map(|(_, token)| token.trim_end_matches('\''));
    match token {
        Some("<EOF>") => "it ends too early".to_owned(),
        Some(token) => format!("`{token}` is not expected here"),
        None => format!("it is no expression: {}", what.lines().next().unwrap_or_default()),
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for Program {}
