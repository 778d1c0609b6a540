//! What may become of an expression while not everything that it looks at is known.

use super::{evaluate::evaluate, facts::Facts, pattern::Pattern, tree::parts};
use cel::{
    IdedExpr,
    common::{
        ast::{Expr, operators},
        types::CelBool,
        value::Val,
    },
};

/// Which answers there may be. Neither, where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chances {
    pub(super) yes: bool,
    no: bool,
}

impl Chances {
    const OPEN: Self = Self { yes: true, no: true };

    /// Parts that look at what is not known are taken for independent of each other.
    pub(super) fn of(tree: &IdedExpr, patterns: &[Pattern], facts: &Facts<'_>) -> Self {
        let of = |part: &IdedExpr| Self::of(part, patterns, facts);
        let call = if let Expr::Call(call) = &tree.expr { Some(call) } else { None };
        match call.map(|call| (call.func_name.as_str(), call.args.as_slice())) {
            Some((operators::LOGICAL_AND, parts)) => {
                let parts: Vec<_> = parts.iter().map(of).collect();
                Self { yes: parts.iter().all(|part| part.yes), no: parts.iter().any(|part| part.no) }
            }
            Some((operators::LOGICAL_OR, parts)) => {
                let parts: Vec<_> = parts.iter().map(of).collect();
                Self { yes: parts.iter().any(|part| part.yes), no: parts.iter().all(|part| part.no) }
            }
            Some((operators::LOGICAL_NOT, [part])) => {
                let Self { yes, no } = of(part);
                Self { yes: no, no: yes }
            }
            Some((operators::CONDITIONAL, [condition, then, otherwise])) => {
                let (condition, then, otherwise) = (of(condition), of(then), of(otherwise));
                let either =
                    |then: bool, otherwise: bool| (condition.yes && then) || (condition.no && otherwise);
                Self { yes: either(then.yes, otherwise.yes), no: either(then.no, otherwise.no) }
            }
            _ if looks_at_unknown(tree, facts) => Self::OPEN,
            _ => {
                let truth = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
                let answer = evaluate(tree, patterns, facts, truth).ok().flatten();
                Self { yes: answer == Some(true), no: answer == Some(false) }
            }
        }
    }
}

fn looks_at_unknown(tree: &IdedExpr, facts: &Facts<'_>) -> bool {
    let Some(call) = facts.call() else { return false };
    let here = match &tree.expr {
        Expr::Ident(name) if call.is_any() => {
            let root = name.split('.').next().unwrap_or_default();
            ["method", "tool", "prompt", "resource", "arguments"].contains(&root)
        }
        Expr::Ident(name) if name == "arguments" => call.arguments().is_none(),
        Expr::Ident(name) if name == "resource" || name == "resource.uri" => call.uri().is_none(),
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => false,
    };
    here || parts(&tree.expr).into_iter().any(|part| looks_at_unknown(part, facts))
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Expression, Supposed};
    use serde_json::{Map, json};

    fn alice() -> Supposed {
        let claims = json!({"iss": "https://i", "sub": "alice", "team": "data", "n": 1});
        Supposed::from_claims(claims.as_object().unwrap().clone()).unwrap()
    }

    fn may(source: &str, call: &Call) -> bool {
        Expression::compile(source).unwrap().may_be_true(&alice().facts().calling(call))
    }

    #[test]
    fn what_is_not_known_may_be_anything_and_what_is_known_counts() {
        for (source, expected) in [
            ("arguments.table == 'stock'", true),
            ("!(arguments.table == 'stock')", true),
            ("!has(arguments.table)", true),
            ("'table' in arguments", true),
            ("size(arguments.rows) < 3", true),
            ("arguments.rows.all(row, row > 0)", true),
            ("claims.team == 'data' && arguments.table == 'stock'", true),
            ("claims.team == 'ops' && arguments.table == 'stock'", false),
            ("claims.team == 'ops' || arguments.table == 'stock'", true),
            ("!(claims.team == 'data' || arguments.table == 'stock')", false),
            // The caller has none, whatever the arguments are.
            ("claims.absent == 'x' && arguments.table == 'stock'", false),
            ("!(claims.absent == 'x') && arguments.table == 'stock'", false),
            ("arguments.dry_run ? true : claims.team == 'ops'", true),
            ("claims.team == 'data' ? false : arguments.dry_run == true", false),
            ("claims.n == 1 ? arguments.dry_run == true : false", true),
            ("method == 'tools/call'", true),
            ("method == 'prompts/get' && arguments.table == 'stock'", false),
            ("resource.uri == ''", true),
        ] {
            assert_eq!(may(source, &Call::of("tools/call")), expected, "{source}");
        }
        let some = Call::of("resources/read").on_some_resource().with_arguments(Map::new());
        assert!(may("resource.uri.startsWith('a://')", &some));
        assert!(!may("resource.uri.startsWith('a://') && has(arguments.x)", &some));
    }

    #[test]
    fn of_any_call_only_what_is_about_the_caller_is_known() {
        for (source, expected) in [
            ("tool.name == 'query'", true),
            ("!tool.read_only && tool.destructive", true),
            (
                "method == 'prompts/get' && prompt.name == 'x' && resource.uri == 'y' && has(arguments.z)",
                true,
            ),
            ("claims.team == 'ops' && tool.name == 'query'", false),
            ("claims.team == 'ops' || tool.name == 'query'", true),
            ("!(claims.team == 'data' || method == 'tools/call')", false),
        ] {
            assert_eq!(may(source, &Call::any()), expected, "{source}");
        }
    }

    #[test]
    fn without_a_call_nothing_is_said_of_one() {
        for source in
            ["arguments.table == 'stock'", "method == ''", "prompt.name == ''", "!(resource.uri == '')"]
        {
            let expression = Expression::compile(source).unwrap();
            assert!(expression.is_true(&alice().facts()).unwrap_err().is_missing_key(), "{source}");
            assert!(!expression.may_be_true(&alice().facts()), "{source}");
        }
    }

    #[test]
    fn nothing_is_hidden_that_some_arguments_would_let_pass() {
        let leaves =
            ["claims.team == 'data'", "claims.absent == 'data'", "arguments.a == 1", "1 in arguments.c"];
        let arguments = [json!({}), json!({"a": 1}), json!({"a": 2, "c": [1]}), json!({"a": "x", "c": []})];
        let alice = alice();
        let open = Call::of("tools/call");
        let calls =
            arguments.map(|arguments| open.clone().with_arguments(arguments.as_object().unwrap().clone()));
        let mut passing = 0;
        for (a, b, c) in
            leaves.iter().flat_map(|a| leaves.iter().flat_map(move |b| leaves.map(|c| (*a, *b, c))))
        {
            for source in [
                format!("({a} && {b}) || !({c})"),
                format!("!({a} || {b}) && {c}"),
                format!("!({a} ? !({b}) : {c})"),
            ] {
                let rule = Expression::compile(&source).unwrap();
                for call in &calls {
                    let facts = alice.facts().calling(call);
                    if rule.is_true(&facts).unwrap_or(false) {
                        passing += 1;
                        assert!(rule.may_be_true(&facts), "{source} {call:?}");
                        assert!(rule.may_be_true(&alice.facts().calling(&open)), "{source} {call:?}");
                    }
                }
            }
        }
        assert!(passing > 100, "{passing}");
    }
}
