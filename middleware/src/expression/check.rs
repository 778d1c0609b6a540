//! What can be told to be wrong from the tree alone.

use super::names::{Member, Path, Root, is_function, is_type, literal, root};
use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, SelectExpr, operators},
};
use std::collections::BTreeSet;

/// What is wrong, and with which part of the tree.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) id: u64,
    pub(super) what: String,
}

/// What `tree` looks at, as `claims.email`, `actor`, `tool.read_only`; a whole that is searched as `claims`.
pub(super) fn check(tree: &IdedExpr) -> Result<BTreeSet<String>, Problem> {
    let mut checker = Checker { references: BTreeSet::new(), variables: Vec::new() };
    checker.visit(tree)?;
    Ok(checker.references)
}

struct Checker<'e> {
    references: BTreeSet<String>,
    /// Of the loop that is being looked at; no loop is inside another.
    variables: Vec<&'e str>,
}

impl<'e> Checker<'e> {
    fn visit(&mut self, tree: &'e IdedExpr) -> Result<(), Problem> {
        if let Some(path) = Path::of(tree) {
            return self.path(tree, &path, false);
        }
        match &tree.expr {
            Expr::Call(call) => self.call(tree, call),
            Expr::Select(SelectExpr { operand, field, test: true }) => match Path::of(operand) {
                Some(mut path) => {
                    path.push(operand, field);
                    self.path(tree, &path, true)
                }
                None => self.visit(operand),
            },
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Comprehension(comprehension) => self.comprehension(tree, comprehension),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.visit(&entry.key).and_then(|()| self.visit(&entry.value)),
                EntryExpr::StructField(_) => problem(entry.id, "a map has no fields"),
            }),
            Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Struct(_) => problem(tree.id, "there are no messages here"),
            Expr::Unspecified => problem(tree.id, "something is missing here"),
        }
    }

    fn call(&mut self, tree: &'e IdedExpr, call: &'e CallExpr) -> Result<(), Problem> {
        let CallExpr { func_name, target, args } = call;
        if !is_function(func_name, target.is_some()) {
            return problem(tree.id, format!("there is no function `{func_name}` here"));
        }
        if func_name == "matches" {
            let patterns = if target.is_some() { args.as_slice() } else { args.get(1..).unwrap_or_default() };
            let [pattern] = patterns else {
                return problem(tree.id, "`matches` takes a text and a pattern");
            };
            if literal(pattern).is_none() {
                return problem(pattern.id, "a pattern is written out: nobody's claim may become one");
            }
        }
        if let Some(target) = target {
            self.visit(target)?;
        }
        match args.as_slice() {
            [one, whole] if func_name == operators::IN => {
                self.visit(one)?;
                match Path::of(whole) {
                    Some(path) => self.path(whole, &path, true),
                    None => self.visit(whole),
                }
            }
            args => args.iter().try_for_each(|argument| self.visit(argument)),
        }
    }

    fn comprehension(&mut self, tree: &'e IdedExpr, inner: &'e ComprehensionExpr) -> Result<(), Problem> {
        if !self.variables.is_empty() {
            return problem(tree.id, "a loop inside a loop may take too long");
        }
        if root(&inner.iter_var).is_some() {
            return problem(
                tree.id,
                format!("`{}` is taken; call the loop's variable otherwise", inner.iter_var),
            );
        }
        // What is looped over counts as inside: a loop over a loop's result is refused as well.
        self.variables = vec![&inner.iter_var, &inner.accu_var];
        self.visit(&inner.iter_range)?;
        self.visit(&inner.accu_init)?;
        self.visit(&inner.loop_cond)?;
        self.visit(&inner.loop_step)?;
        self.visit(&inner.result)?;
        self.variables.clear();
        Ok(())
    }

    /// `whole` where it is fine to stop early: in tests (`has(…)`) and behind `in`.
    fn path(&mut self, tree: &'e IdedExpr, path: &Path<'e>, whole: bool) -> Result<(), Problem> {
        for step in &path.steps {
            if let Member::Computed(index) = step.to {
                self.visit(index)?;
            }
        }
        if self.variables.contains(&path.name) {
            return Ok(());
        }
        let name = path.name;
        let at = path.steps.first().map_or(tree.id, |step| step.from.id);
        let named = path.named();
        match (root(name), named.as_slice()) {
            (None, []) if is_type(name) => Ok(()),
            (None, _) => problem(at, format!("nothing is called `{name}` here")),
            (Some(Root::Actor), _) | (Some(Root::Method), []) => self.refers(name),
            (Some(Root::Method), _) => problem(at, format!("`{name}` is a text, and has nothing in it")),
            (Some(Root::Fields(fields)), [field, ..]) if fields.contains(field) => {
                self.refers(format!("{name}.{field}"))
            }
            (Some(Root::Fields(fields)), _) => {
                let known: Vec<_> = fields.iter().map(|field| format!("{name}.{field}")).collect();
                problem(at, format!("there is {} and no more of `{name}`", known.join(", ")))
            }
            (Some(Root::Claims | Root::Arguments), [one, ..]) => self.refers(format!("{name}.{one}")),
            (Some(Root::Upstream), [provider, "claims", claim, ..]) => {
                self.refers(format!("{name}.{provider}.claims.{claim}"))
            }
            (Some(Root::Upstream), [_, other, ..]) if *other != "claims" => {
                problem(at, format!("a provider has `claims` and no `{other}`"))
            }
            (Some(Root::Upstream), [provider, ..]) if whole || path.steps.len() > 2 => {
                self.refers(format!("{name}.{provider}"))
            }
            (Some(Root::Claims | Root::Upstream | Root::Arguments), [])
                if whole || !path.steps.is_empty() =>
            {
                self.refers(name)
            }
            (Some(Root::Arguments), []) => {
                problem(at, "`arguments` are all of them; say which, as in arguments.table")
            }
            (Some(Root::Claims), []) => {
                problem(at, "`claims` are all of them; say which, as in claims.email")
            }
            (Some(Root::Upstream), _) => {
                problem(at, "say which of a provider's claims, as in upstream['github'].claims.login")
            }
        }
    }

    fn refers(&mut self, to: impl Into<String>) -> Result<(), Problem> {
        self.references.insert(to.into());
        Ok(())
    }
}

pub(super) fn problem<T>(id: u64, what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { id, what: what.into() })
}
