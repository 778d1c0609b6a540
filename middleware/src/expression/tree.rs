//! Ways through the tree of an expression.

use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr},
};

/// How many parts are inside each other at most.
pub(super) fn depth(tree: &IdedExpr) -> usize {
    1 + parts(&tree.expr).into_iter().map(depth).max().unwrap_or_default()
}

/// Forgets where the parts stood, so that equal expressions are equal trees.
pub(super) fn forget_places(tree: &mut IdedExpr) {
    tree.id = 0;
    if let Expr::Map(map) = &mut tree.expr {
        map.entries.iter_mut().for_each(|entry| entry.id = 0);
    }
    parts_mut(&mut tree.expr).into_iter().for_each(forget_places);
}

pub(super) fn parts(tree: &Expr) -> Vec<&IdedExpr> {
    match tree {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Comprehension(inner) => {
            vec![&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(message) => message.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

pub(super) fn parts_mut(tree: &mut Expr) -> Vec<&mut IdedExpr> {
    match tree {
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(call.args.iter_mut()).collect(),
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Comprehension(inner) => vec![
            &mut inner.iter_range,
            &mut inner.accu_init,
            &mut inner.loop_cond,
            &mut inner.loop_step,
            &mut inner.result,
        ],
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => entries_mut(map.entries.iter_mut().map(|entry| &mut entry.expr)),
        Expr::Struct(message) => entries_mut(message.entries.iter_mut().map(|entry| &mut entry.expr)),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entries_mut<'e>(entries: impl Iterator<Item = &'e mut EntryExpr>) -> Vec<&'e mut IdedExpr> {
    entries
        .flat_map(|entry| match entry {
            EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
            EntryExpr::StructField(field) => vec![&mut field.value],
        })
        .collect()
}
