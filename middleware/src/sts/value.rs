use super::key::Fields;
use crate::{
    error::{Error, Kind},
    proof::{AwsRole, Identity},
};
use std::borrow::Cow;

/// What a session's tag or source identity is: the same for everybody, or something about the caller.
///
/// ```
/// use countersign::sts::SessionValue;
///
/// let fixed = SessionValue::from("gateway");
/// let of_the_caller = SessionValue::claim("department");
/// ```
#[derive(Clone, Debug)]
pub struct SessionValue(Kinds);

#[derive(Clone, Debug)]
enum Kinds {
    Fixed(String),
    Claim(String),
    SessionName,
}

impl SessionValue {
    /// A claim of the caller's token, which has to be a string. A caller without it is refused.
    pub fn claim(name: impl Into<String>) -> Self {
        Self(Kinds::Claim(name.into()))
    }

    /// The session's name, which was made from the caller's claims already.
    pub fn session_name() -> Self {
        Self(Kinds::SessionName)
    }

    /// Where it is the same for everybody.
    pub(super) fn fixed(&self) -> Option<&str> {
        match &self.0 {
            Kinds::Fixed(value) => Some(value),
            Kinds::Claim(_) | Kinds::SessionName => None,
        }
    }

    /// What tells it from others, for a digest.
    pub(super) fn describe(&self, fields: &mut Fields) {
        let (kind, value) = match &self.0 {
            Kinds::Fixed(value) => ("fixed", value.as_str()),
            Kinds::Claim(name) => ("claim", name.as_str()),
            Kinds::SessionName => ("session name", ""),
        };
        fields.text(kind);
        fields.text(value);
    }

    pub(super) fn of<'a>(&'a self, caller: &'a Identity, role: &'a AwsRole) -> Result<Cow<'a, str>, Error> {
        match &self.0 {
            Kinds::Fixed(value) => Ok(value.into()),
            Kinds::SessionName => Ok(role.session_name().into()),
            Kinds::Claim(name) => {
                let value = caller.claim(name).and_then(|value| value.as_str());
                value.map(Cow::from).ok_or_else(|| {
                    let what = "the caller has no such claim for a tag or a source identity";
                    Error::new(Kind::RuleFailed, what).with_source(format!("the claim is {name:?}"))
                })
            }
        }
    }
}

impl<T: Into<String>> From<T> for SessionValue {
    fn from(value: T) -> Self {
        Self(Kinds::Fixed(value.into()))
    }
}
