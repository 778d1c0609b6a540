//! An expression is tried before it is accepted, on claims made up from what it refers to.
//!
//! What a claim looks like is not known, so each may be a text, a number, a truth, a list or a map. An expression
//! passes if *some* claims make it answer, or make it miss something; what fails on all of them, by the types of
//! its own constants, is refused. Each operand of `&&`, `||`, `!` and `?:` is tried alone as well, since the
//! others may hide it.

use super::{
    call::Call,
    check::Problem,
    evaluate::{EvaluationError, evaluate},
    facts::Facts,
    names::{Path, Root, root},
    pattern::Pattern,
    tree::parts,
};
use crate::proof::{Actor, Operation, Tool, UpstreamToken, UpstreamTokens};
use cel::{
    ExecutionError, IdedExpr,
    common::{
        ast::{Expr, operators},
        types::{CelBool, CelNull, CelString},
        value::Val,
    },
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What an expression has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Truth,
    Text,
}

/// With more claims than this in one operand, they are not tried in every combination: it would take too long.
const COMBINED: usize = 3;

pub(super) fn run(tree: &IdedExpr, patterns: &[Pattern], wanted: Wanted) -> Result<(), Problem> {
    let mut operands = Vec::new();
    collect_operands(tree, wanted, &mut operands);
    for (operand, wanted) in operands.into_iter().rev() {
        if let Err(error) = attempt(operand, patterns, wanted) {
            return Err(Problem { id: operand.id, what: error.to_string() });
        }
    }
    Ok(())
}

impl Wanted {
    /// The answer, if `value` is one.
    pub(super) fn check(self, value: &dyn Val) -> Result<(), EvaluationError> {
        let (fits, wanted) = match self {
            Self::Truth => (value.downcast_ref::<CelBool>().is_some(), "bool"),
            Self::Text => {
                let text = value.downcast_ref::<CelString>().is_some();
                (text || value.downcast_ref::<CelNull>().is_some(), "string")
            }
        };
        if fits { Ok(()) } else { Err(EvaluationError::wrong_result(wanted, value)) }
    }
}

fn collect_operands<'e>(tree: &'e IdedExpr, wanted: Wanted, into: &mut Vec<(&'e IdedExpr, Wanted)>) {
    into.push((tree, wanted));
    let Expr::Call(call) = &tree.expr else { return };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, args) => {
            args.iter().for_each(|operand| collect_operands(operand, Wanted::Truth, into));
        }
        (operators::CONDITIONAL, [condition, then, otherwise]) => {
            collect_operands(condition, Wanted::Truth, into);
            collect_operands(then, wanted, into);
            collect_operands(otherwise, wanted, into);
        }
        _ => {}
    }
}

fn attempt(tree: &IdedExpr, patterns: &[Pattern], wanted: Wanted) -> Result<(), EvaluationError> {
    let leaves: Vec<Leaf> = leaves(tree).into_iter().collect();
    let candidates = candidates();
    let all_combined = leaves.len() <= COMBINED;
    let count =
        if all_combined { (0..leaves.len()).fold(1, |n, _| n * candidates.len()) } else { candidates.len() };
    let mut first = None;
    for number in 0..count {
        let mut left = number;
        let mut values = leaves.iter().map(|_| {
            let candidate = candidates.get(left % candidates.len()).cloned().unwrap_or_default();
            if all_combined {
                left /= candidates.len();
            }
            candidate
        });
        match attempt_with(tree, patterns, wanted, leaves.iter().zip(&mut values)) {
            Ok(()) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    // Not every combination was tried, so none is proven to fail.
    first.filter(|_| all_combined).map_or(Ok(()), Err)
}

fn candidates() -> [Value; 8] {
    [json!("text"), json!(1), json!(true), json!(["text"]), json!({}), json!(1.5), json!([1]), json!([{}])]
}

fn attempt_with<'l>(
    tree: &IdedExpr,
    patterns: &[Pattern],
    wanted: Wanted,
    values: impl Iterator<Item = (&'l Leaf, Value)>,
) -> Result<(), EvaluationError> {
    let (mut claims, mut arguments) = (Map::new(), Map::new());
    let mut upstream = BTreeMap::<String, Map<String, Value>>::new();
    for (Leaf { from, path }, value) in values {
        match from {
            From::Claims => plant(&mut claims, path, value),
            From::Arguments => plant(&mut arguments, path, value),
            From::Upstream(provider) => plant(upstream.entry(provider.clone()).or_default(), path, value),
        }
    }
    let token = |claims| UpstreamToken::new(String::new().into(), None, None).with_claims(claims);
    let tokens = upstream.into_iter().map(|(provider, claims)| (provider, token(claims))).collect();
    let (tokens, actors) = (
        UpstreamTokens::new(tokens),
        [Actor { issuer: Some("issuer".to_owned()), subject: "agent".to_owned() }],
    );
    let operation = Operation::on("backend").calling(Tool::named("tool"));
    let call = Call::of("method").with_arguments(arguments);
    let facts = Facts::made_up(&claims, &actors, &tokens, &operation, &call);
    match evaluate(tree, patterns, &facts, |value| wanted.check(value)) {
        Ok(answer) => answer,
        Err(error) if is_about_types(&error) => Err(error.into()),
        Err(_) => Ok(()),
    }
}

fn is_about_types(error: &ExecutionError) -> bool {
    !matches!(
        error,
        ExecutionError::NoSuchKey(_)
            | ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::FunctionError { .. }
            | ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
            | ExecutionError::DuplicateKey(_)
    )
}

/// A claim or an argument that an expression asks for and looks into no further.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    from: From,
    path: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    Claims,
    Arguments,
    /// What this provider says.
    Upstream(String),
}

fn leaves(tree: &IdedExpr) -> BTreeSet<Leaf> {
    let mut found = BTreeSet::new();
    collect_leaves(tree, &mut found);
    let all = found.clone();
    found.retain(|leaf| {
        let goes_on =
            |other: &Leaf| other.from == leaf.from && other != leaf && other.path.starts_with(&leaf.path);
        !all.iter().any(goes_on)
    });
    found
}

fn collect_leaves(tree: &IdedExpr, into: &mut BTreeSet<Leaf>) {
    let tested = match &tree.expr {
        Expr::Select(select) if select.test => Path::of(&select.operand).map(|mut path| {
            path.push(&select.operand, &select.field);
            path
        }),
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => Path::of(tree),
    };
    if let Some(path) = tested {
        let named: Vec<String> = path.named().into_iter().map(str::to_owned).collect();
        match (root(path.name), named.split_first()) {
            (Some(Root::Claims), Some(_)) => {
                into.insert(Leaf { from: From::Claims, path: named });
            }
            (Some(Root::Arguments), Some(_)) => {
                into.insert(Leaf { from: From::Arguments, path: named });
            }
            (Some(Root::Upstream), Some((provider, [_, claim, ..]))) => {
                let path = named.iter().skip(2).cloned().collect::<Vec<_>>();
                debug_assert_eq!(path.first(), Some(claim));
                into.insert(Leaf { from: From::Upstream(provider.clone()), path });
            }
            _ => {}
        }
    }
    for part in parts(&tree.expr) {
        collect_leaves(part, into);
    }
}

fn plant(claims: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((last, way)) = path.split_last() else { return };
    let mut map = claims;
    for name in way {
        let next = map.entry(name.clone()).or_insert_with(|| json!({}));
        if !next.is_object() {
            *next = json!({});
        }
        let Some(inside) = next.as_object_mut() else { return };
        map = inside;
    }
    map.insert(last.clone(), value);
}
