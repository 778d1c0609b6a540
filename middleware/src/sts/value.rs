use super::{key::Fields, view::View};
use crate::{
    error::{Error, Kind},
    expression::TextExpression,
};
use std::borrow::Cow;

/// What a session's tag or source identity is: the same for everybody, or worked out for each call.
///
/// ```
/// use countersign::{expression::TextExpression, sts::SessionValue};
///
/// let fixed = SessionValue::from("gateway");
/// let of_the_caller = SessionValue::from(TextExpression::compile("'team-' + claims.team")?);
/// # Ok::<(), countersign::expression::InvalidExpression>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionValue(Kinds);

#[derive(Clone, Debug)]
enum Kinds {
    Fixed(String),
    Expression(TextExpression),
    SessionName,
}

impl SessionValue {
    /// The session's name, which was made from the caller's claims already.
    pub fn session_name() -> Self {
        Self(Kinds::SessionName)
    }

    /// Where it is the same for everybody.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.0 {
            Kinds::Fixed(value) => Some(value),
            Kinds::Expression(_) | Kinds::SessionName => None,
        }
    }

    /// What tells it from others, for a digest.
    pub(super) fn describe(&self, fields: &mut Fields) {
        let (kind, value) = match &self.0 {
            Kinds::Fixed(value) => ("fixed", value.as_str()),
            Kinds::Expression(expression) => ("expression", expression.source()),
            Kinds::SessionName => ("session name", ""),
        };
        fields.text(kind);
        fields.text(value);
    }

    /// What it is for one call; `None` where something that it asks for is missing.
    pub(super) fn of<'a>(&'a self, view: &'a View<'_, '_>) -> Result<Option<Cow<'a, str>>, Error> {
        match &self.0 {
            Kinds::Fixed(value) => Ok(Some(value.into())),
            Kinds::SessionName => Ok(Some(view.role.session_name().into())),
            Kinds::Expression(expression) => {
                let text = expression.text(view.facts()?).map_err(|error| {
                    let what = "a tag or source identity could not be worked out for this caller";
                    Error::new(Kind::RuleFailed, what).with_source(error)
                })?;
                Ok(text.map(Cow::from))
            }
        }
    }
}

impl From<&str> for SessionValue {
    fn from(value: &str) -> Self {
        Self(Kinds::Fixed(value.to_owned()))
    }
}

impl From<String> for SessionValue {
    fn from(value: String) -> Self {
        Self(Kinds::Fixed(value))
    }
}

impl From<TextExpression> for SessionValue {
    fn from(expression: TextExpression) -> Self {
        Self(Kinds::Expression(expression))
    }
}
