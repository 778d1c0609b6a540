//! Changes to a tree that was checked: what is absent counts as empty behind `in`, and patterns are made.

use super::{
    check::{Problem, problem},
    names::{Member, Path, Root, literal, root},
    pattern::Pattern,
    tree::parts_mut,
};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators},
};
use std::mem;

/// Returns the patterns that the tree refers to from now on.
pub(super) fn rewrite(tree: &mut IdedExpr) -> Result<Vec<Pattern>, Problem> {
    let mut patterns = Vec::new();
    visit(tree, &mut patterns)?;
    Ok(patterns)
}

fn visit(tree: &mut IdedExpr, patterns: &mut Vec<Pattern>) -> Result<(), Problem> {
    for child in parts_mut(&mut tree.expr) {
        visit(child, patterns)?;
    }
    if is_test_of_a_field(&tree.expr) {
        tree.expr = Expr::Literal(LiteralValue::Boolean(true.into()));
    }
    let id = tree.id;
    let Expr::Call(call) = &mut tree.expr else { return Ok(()) };
    match call.func_name.as_str() {
        "matches" => with_pattern(call, patterns),
        operators::IN => {
            let guards = call.args.get(1).map(presence).unwrap_or_default();
            for guard in guards.into_iter().rev() {
                let rest = mem::take(&mut tree.expr);
                let args = vec![IdedExpr { id, expr: guard }, IdedExpr { id, expr: rest }];
                tree.expr = call_of(operators::LOGICAL_AND, args);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `has(tool.name)`: it always is.
fn is_test_of_a_field(tree: &Expr) -> bool {
    let Expr::Select(SelectExpr { operand, test: true, .. }) = tree else { return false };
    matches!(&operand.expr, Expr::Ident(name) if matches!(root(name), Some(Root::Fields(_))))
}

/// `matches(text, 'a+')` and `text.matches('a+')` become a call with the pattern's name.
fn with_pattern(call: &mut CallExpr, patterns: &mut Vec<Pattern>) -> Result<(), Problem> {
    let Some(written) = call.args.pop() else { return Ok(()) };
    let id = written.id;
    let pattern = match literal(&written).map(Pattern::new) {
        Some(Ok(pattern)) => pattern,
        Some(Err(what)) => return problem(id, what),
        None => return problem(id, "a pattern is written out"),
    };
    if call.target.is_none() {
        call.target = call.args.pop().map(Box::new);
    }
    call.args = vec![IdedExpr { id, expr: Expr::Ident(pattern.name().to_owned()) }];
    patterns.push(pattern);
    Ok(())
}

/// The tests that say whether everything on the way to a claim is there: of `claims.a.b`, `has(claims.a)` and
/// `has(claims.a.b)`.
fn presence(tree: &IdedExpr) -> Vec<Expr> {
    let Some(path) = Path::of(tree) else { return Vec::new() };
    if !matches!(root(path.name), Some(Root::Claims | Root::Upstream | Root::Arguments)) {
        return Vec::new();
    }
    let test = |from: &IdedExpr, to: Member<'_>| match to {
        Member::Named(name) => {
            Expr::Select(SelectExpr { operand: Box::new(from.clone()), field: name.to_owned(), test: true })
        }
        Member::Computed(index) => call_of(operators::IN, vec![index.clone(), from.clone()]),
    };
    path.steps.iter().map(|step| test(step.from, step.to)).collect()
}

fn call_of(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args })
}
