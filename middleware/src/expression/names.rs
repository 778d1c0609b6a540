//! What the names in an expression stand for.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators},
};

/// What a name can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Claims,
    Actor,
    Upstream,
    /// What a request carries, by name.
    Arguments,
    /// A text.
    Method,
    /// One of the names that only lead to these fields.
    Fields(&'static [&'static str]),
}

const ROOTS: [(&str, Root); 10] = [
    ("claims", Root::Claims),
    ("actor", Root::Actor),
    ("upstream", Root::Upstream),
    ("backend", Root::Fields(&["name"])),
    ("tool", Root::Fields(&["name", "read_only", "destructive"])),
    ("request", Root::Fields(&["method"])),
    ("method", Root::Method),
    ("arguments", Root::Arguments),
    ("resource", Root::Fields(&["uri"])),
    ("prompt", Root::Fields(&["name"])),
];

/// Names of types, for `type(x) == string`.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "uint"];

const FUNCTIONS: [&str; 9] = ["bool", "bytes", "double", "dyn", "int", "size", "string", "type", "uint"];

const METHODS: [&str; 5] = ["contains", "endsWith", "matches", "size", "startsWith"];

pub(super) fn root(name: &str) -> Option<Root> {
    ROOTS.iter().find(|(root, _)| *root == name).map(|(_, root)| *root)
}

pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

pub(super) fn is_function(name: &str, on_target: bool) -> bool {
    // An operator is called by what cannot be a name: `_+_`, `!_`, `@in`.
    let operator = !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    operator
        || name == "matches"
        || if on_target { METHODS.contains(&name) } else { FUNCTIONS.contains(&name) }
}

/// A way from a name into what it stands for: `claims.realm.roles`, `claims['a b'][claims.c]`.
pub(super) struct Path<'e> {
    pub(super) name: &'e str,
    pub(super) steps: Vec<Step<'e>>,
}

pub(super) struct Step<'e> {
    /// From where it goes on.
    pub(super) from: &'e IdedExpr,
    pub(super) to: Member<'e>,
}

#[derive(Clone, Copy)]
pub(super) enum Member<'e> {
    Named(&'e str),
    Computed(&'e IdedExpr),
}

impl<'e> Path<'e> {
    /// `None` for what does not begin with a name. A test (`has(a.b)`) is no way into `a.b`.
    pub(super) fn of(tree: &'e IdedExpr) -> Option<Self> {
        let mut steps = Vec::new();
        let mut next = tree;
        loop {
            if let Expr::Ident(name) = &next.expr {
                steps.reverse();
                return Some(Self { name, steps });
            }
            let step = Step::of(next)?;
            next = step.from;
            steps.push(step);
        }
    }

    /// Goes on from `from`, which is the end so far.
    pub(super) fn push(&mut self, from: &'e IdedExpr, to: &'e str) {
        self.steps.push(Step { from, to: Member::Named(to) });
    }

    /// The steps up to the first that is computed.
    pub(super) fn named(&self) -> Vec<&'e str> {
        let named = |step: &Step<'e>| match step.to {
            Member::Named(name) => Some(name),
            Member::Computed(_) => None,
        };
        self.steps.iter().map_while(named).collect()
    }
}

impl<'e> Step<'e> {
    fn of(tree: &'e IdedExpr) -> Option<Self> {
        if let Expr::Select(SelectExpr { operand, field, test: false }) = &tree.expr {
            return Some(Self { from: operand, to: Member::Named(field) });
        }
        let Expr::Call(CallExpr { func_name, args, .. }) = &tree.expr else { return None };
        match args.as_slice() {
            [from, index] if func_name == operators::INDEX => {
                Some(Self { from, to: literal(index).map_or(Member::Computed(index), Member::Named) })
            }
            _ => None,
        }
    }
}

/// The text that is written here.
pub(super) fn literal(tree: &IdedExpr) -> Option<&str> {
    if let Expr::Literal(LiteralValue::String(text)) = &tree.expr { Some(text.inner()) } else { None }
}
