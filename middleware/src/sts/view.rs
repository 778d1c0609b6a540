//! One call, as a session's settings see it.

use crate::{
    error::{Error, Kind},
    expression::Facts,
    proof::AwsRole,
};

pub(super) struct View<'a, 'f> {
    pub(super) role: &'a AwsRole,
    /// `None` where nothing is asked that depends on the call.
    pub(super) facts: Option<&'a Facts<'f>>,
}

impl<'a, 'f> View<'a, 'f> {
    pub(super) fn facts(&self) -> Result<&'a Facts<'f>, Error> {
        self.facts.ok_or_else(|| Error::new(Kind::RuleFailed, "nothing is known about the call"))
    }
}
