use super::{
    facts::Facts,
    pattern::{self, Pattern},
    shortcuts::{self, Shortcut},
};
use cel::{
    Context, Env, ExecutionError, IdedExpr,
    common::{
        types::{CelBool, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use std::{
    fmt,
    sync::{Arc, LazyLock},
};

/// Why an expression has no answer for a call. It tells no claim.
///
/// Whoever asked must refuse: an expression without an answer has not said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError(Reason);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    MissingKey,
    Overload(String),
    WrongResult { wanted: &'static str, found: String },
    Said(&'static str),
}

/// The functions and operators that there are: those of CEL's standard, and `matches` with patterns made before.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    // Were it declared already, no pattern would be accepted, and each expression with one refused when it is
    // tried.
    let declared = pattern::declare(&mut environment);
    debug_assert!(declared.is_ok());
    Arc::new(environment)
});

/// Evaluates `tree`, and reads what it says where that lives.
pub(super) fn evaluate<T>(
    tree: &IdedExpr,
    patterns: &[Pattern],
    facts: &Facts<'_>,
    read: impl FnOnce(&dyn Val) -> T,
) -> Result<T, ExecutionError> {
    let names = Names { facts, patterns };
    let mut context = Context::with_env(ENVIRONMENT.clone());
    context.set_variable_resolver(&names);
    let value = cel::Value::resolve_val(tree, &context)?;
    Ok(read(value.as_ref()))
}

/// Finds values by name, `tool.name` as one.
struct Names<'x, 'a> {
    facts: &'x Facts<'a>,
    patterns: &'x [Pattern],
}

impl VariableResolver for Names<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let text = |text: &'b str| Some(CowVal::owned(CelString::from(text)));
        let truth = |truth: bool| Some(CowVal::owned(CelBool::from(truth)));
        let operation = self.facts.operation();
        let tool = operation.map(|operation| operation.tool());
        match name {
            "claims" => Some(CowVal::Borrowed(&self.facts.claims)),
            "actor" => Some(CowVal::Borrowed(&**self.facts.actors_value())),
            "upstream" => Some(CowVal::Borrowed(&**self.facts.upstream_value())),
            "backend.name" => text(operation.map_or("", |operation| operation.backend())),
            "tool.name" => text(tool.map_or("", |tool| tool.name())),
            "tool.read_only" => truth(tool.is_none_or(|tool| tool.is_read_only())),
            "tool.destructive" => truth(tool.is_some_and(|tool| tool.is_destructive())),
            "request.method" => text(self.facts.method()),
            "method" => text(self.facts.call()?.method()),
            "arguments" => self.facts.arguments.as_ref().map(|arguments| CowVal::Borrowed(arguments)),
            "resource.uri" => text(self.facts.call()?.uri()?),
            "prompt.name" => text(self.facts.call()?.prompt()),
            _ => match shortcuts::meaning(name) {
                Some((Shortcut::Claim, claim)) => self.facts.claims.find(claim).map(CowVal::Borrowed),
                Some((Shortcut::Has, claim)) => truth(self.facts.claims.all().contains_key(claim)),
                Some((Shortcut::Searched, claim)) => Some(self.facts.claims.searched(claim)),
                None => pattern::named(name, self.patterns).map(|pattern| CowVal::Borrowed(pattern)),
            },
        }
    }
}

impl EvaluationError {
    pub(super) fn wrong_result(wanted: &'static str, found: &dyn Val) -> Self {
        Self(Reason::WrongResult { wanted, found: found.get_type().name().to_owned() })
    }

    /// Whether something that the expression asks for is not there, such as a claim that this caller has not.
    pub fn is_missing_key(&self) -> bool {
        self.0 == Reason::MissingKey
    }
}

impl From<ExecutionError> for EvaluationError {
    fn from(error: ExecutionError) -> Self {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the enum is open")]
        Self(match error {
            ExecutionError::NoSuchKey(_) => Reason::MissingKey,
            // Of what may be named here, some is known of some calls only.
            ExecutionError::UndeclaredReference(_) => Reason::MissingKey,
            ExecutionError::NoSuchOverload(overload) => {
                let types = overload.argument_types().join(", ");
                Reason::Overload(format!("`{}` does not go with ({types})", readable(overload.function())))
            }
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
                Reason::Overload(format!("`{operator}` does not go with values of these types"))
            }
            ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..) => Reason::Said("a number cannot be computed"),
            ExecutionError::IndexOutOfBounds(_) => Reason::Said("a list is shorter than it expects"),
            ExecutionError::FunctionError { .. } => {
                Reason::Said("a function cannot use the value that it was given")
            }
            _ => Reason::Said("a value is of another type than it expects"),
        })
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::MissingKey => f.write_str("something that it asks for is missing; ask with has() first"),
            Reason::Overload(what) => f.write_str(what),
            Reason::WrongResult { wanted, found } => write!(f, "it says {found} where {wanted} is expected"),
            Reason::Said(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EvaluationError {}

/// `_>_` is how CEL's trees call `>`.
pub(super) fn readable(function: &str) -> &str {
    match function {
        "@in" => "in",
        "_[_]" => "[]",
        "_._" => ".",
        "_?_:_" => "?:",
        other => other.trim_matches('_'),
    }
}
