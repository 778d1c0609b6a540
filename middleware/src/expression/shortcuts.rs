//! Names for what expressions do most, so that one look-up does it: `claims.email` becomes a single name, and
//! so do `has(claims.email)` and what `'admins' in claims.groups` searches. They have a form that nobody can
//! write.
//!
//! This is the last change to a tree. It alters no answer, only what an answer costs.

use super::{
    names::{Member, Path, Root, root},
    tree::parts_mut,
};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, SelectExpr, operators},
};

/// What is asked of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// Its value.
    Claim,
    /// Whether it is there.
    Has,
    /// Its value behind `in`, where a claim that is absent is empty.
    Searched,
}

const NAMES: [(&str, Shortcut); 3] =
    [("@claim ", Shortcut::Claim), ("@has ", Shortcut::Has), ("@searched ", Shortcut::Searched)];

/// What a name in a tree stands for, if it is one from here: what is asked, and of which claim.
pub(super) fn meaning(name: &str) -> Option<(Shortcut, &str)> {
    if !name.starts_with('@') {
        return None;
    }
    NAMES.iter().find_map(|(prefix, shortcut)| Some((*shortcut, name.strip_prefix(prefix)?)))
}

pub(super) fn take(tree: &mut IdedExpr) {
    if let Some(short) = searched(&tree.expr) {
        tree.expr = short;
    }
    if let Some(short) = of_claim(tree).or_else(|| of_field(&tree.expr)) {
        tree.expr = short;
        return;
    }
    let inside = if let Expr::Select(select) = &mut tree.expr {
        below_names(select)
    } else {
        parts_mut(&mut tree.expr)
    };
    inside.into_iter().for_each(take);
}

/// `claims.email` and `has(claims.email)`.
fn of_claim(tree: &IdedExpr) -> Option<Expr> {
    if let Expr::Select(SelectExpr { operand, field, test: true }) = &tree.expr {
        let of_all = matches!(&operand.expr, Expr::Ident(name) if root(name) == Some(Root::Claims));
        return of_all.then(|| ident(Shortcut::Has, field));
    }
    single_claim(tree).map(|claim| ident(Shortcut::Claim, claim))
}

/// `tool.name`, which is looked up as one name anyway.
fn of_field(tree: &Expr) -> Option<Expr> {
    let Expr::Select(SelectExpr { operand, field, test: false }) = tree else { return None };
    let Expr::Ident(name) = &operand.expr else { return None };
    matches!(root(name), Some(Root::Fields(_))).then(|| Expr::Ident(format!("{name}.{field}")))
}

/// `has(claims.groups) && 'admins' in claims.groups`, as `in` was rewritten. What is searched for must be
/// written out, since it would not be looked at for want of the claim.
fn searched(tree: &Expr) -> Option<Expr> {
    let [test, search] = operands(tree, operators::LOGICAL_AND)? else { return None };
    let [one @ IdedExpr { expr: Expr::Literal(_), .. }, whole] = operands(&search.expr, operators::IN)?
    else {
        return None;
    };
    let claim = single_claim(whole)?;
    let Expr::Select(SelectExpr { operand, field, test: true }) = &test.expr else { return None };
    let of_all = matches!(&operand.expr, Expr::Ident(name) if root(name) == Some(Root::Claims));
    (of_all && field == claim).then(|| {
        let whole = IdedExpr { id: whole.id, expr: ident(Shortcut::Searched, claim) };
        let args = vec![one.clone(), whole];
        Expr::Call(CallExpr { func_name: operators::IN.to_owned(), target: None, args })
    })
}

/// A way that leads to a claim and no further.
fn single_claim(tree: &IdedExpr) -> Option<&str> {
    let path = Path::of(tree).filter(|path| root(path.name) == Some(Root::Claims))?;
    match path.steps.as_slice() {
        [step] => match step.to {
            Member::Named(claim) => Some(claim),
            Member::Computed(_) => None,
        },
        _ => None,
    }
}

/// A chain of names is looked up as a whole, so what it begins with must not become a name, nor another one.
/// What is inside of that may change.
fn below_names(select: &mut SelectExpr) -> Vec<&mut IdedExpr> {
    let mut next = &mut *select.operand;
    loop {
        if matches!(next.expr, Expr::Ident(_)) {
            return Vec::new();
        }
        if !matches!(next.expr, Expr::Select(_)) {
            return parts_mut(&mut next.expr);
        }
        let Expr::Select(inner) = &mut next.expr else { return Vec::new() };
        next = &mut inner.operand;
    }
}

fn operands<'e>(tree: &'e Expr, operator: &str) -> Option<&'e [IdedExpr]> {
    let Expr::Call(CallExpr { func_name, args, .. }) = tree else { return None };
    (func_name == operator).then_some(args.as_slice())
}

fn ident(shortcut: Shortcut, claim: &str) -> Expr {
    let prefix = NAMES.iter().find(|(_, other)| *other == shortcut).map_or("", |(prefix, _)| prefix);
    Expr::Ident(format!("{prefix}{claim}"))
}
