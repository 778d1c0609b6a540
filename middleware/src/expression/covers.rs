//! Which of two conditions is broader, from their forms alone.

use cel::{
    IdedExpr,
    common::ast::{Expr, operators},
};

/// Whether `broad` is true whenever `narrow` is. `false` where the forms do not show it.
pub(super) fn covers(broad: &IdedExpr, narrow: &IdedExpr) -> bool {
    if broad == narrow {
        return true;
    }
    let any_of_narrow = |test: &dyn Fn(&IdedExpr) -> bool| operands(narrow, operators::LOGICAL_AND).any(test);
    let each_of_narrow = {
        let mut operands = operands(narrow, operators::LOGICAL_OR).peekable();
        operands.peek().is_some() && operands.all(|narrow| covers(broad, narrow))
    };
    each_of_narrow
        || operands(broad, operators::LOGICAL_OR).any(|broad| covers(broad, narrow))
        || any_of_narrow(&|narrow| covers(broad, narrow))
        || {
            let mut operands = operands(broad, operators::LOGICAL_AND).peekable();
            operands.peek().is_some() && operands.all(|broad| covers(broad, narrow))
        }
}

/// What `operator` joins at the top of `tree`; nothing where another is on top.
fn operands<'e>(tree: &'e IdedExpr, operator: &str) -> impl Iterator<Item = &'e IdedExpr> + use<'e> {
    let operands = match &tree.expr {
        Expr::Call(call) if call.func_name == operator => call.args.as_slice(),
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => &[],
    };
    operands.iter()
}
