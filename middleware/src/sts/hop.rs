use super::{
    step::{SessionPolicy, SessionTag, Step},
    value::SessionValue,
};
use crate::{expression::Expression, proof::RoleArn};
use std::time::Duration;

/// A role to go on to with the credentials of the one before: in another account, most likely.
///
/// See [`Session`](super::Session) for an example.
#[derive(Clone, Debug)]
pub struct Hop {
    pub(super) role: RoleArn,
    pub(super) session_name: Option<String>,
    pub(super) step: Step,
}

/// The settings that the first role and every hop have in common.
macro_rules! step_settings {
    ($builder:ty) => {
        impl $builder {
            /// How long the session lasts (an hour; 900 s to 43,200 s, and no longer than the role allows). Where a role
            /// assumes a role, an hour is the most.
            #[must_use]
            pub fn with_duration(mut self, duration: Duration) -> Self {
                self.step.duration = duration;
                self
            }

            /// What the session may do at most. Where there are hops, it is the last one's that counts for the backend.
            #[must_use]
            pub fn with_policy(mut self, policy: SessionPolicy) -> Self {
                self.step.policy = Some(policy);
                self
            }

            /// What the session may do at most where `condition` is true of the call: for a tool that only reads, say. The
            /// first condition that is true decides, before [`with_policy`](Self::with_policy); one that cannot be
            /// decided refuses the call.
            #[must_use]
            pub fn with_policy_when(mut self, condition: Expression, policy: SessionPolicy) -> Self {
                self.step.conditional_policies.push((condition, policy));
                self
            }

            /// Adds a session tag. The role's trust policy has to allow `sts:TagSession`.
            #[must_use]
            pub fn with_tag(mut self, tag: SessionTag) -> Self {
                self.step.tags.push(tag);
                self
            }

            /// Who it is to begin with: CloudTrail shows it after every hop, and nobody can change it. The role's trust
            /// policy has to allow `sts:SetSourceIdentity`.
            #[must_use]
            pub fn with_source_identity(mut self, identity: impl Into<SessionValue>) -> Self {
                self.step.source_identity = Some(identity.into());
                self
            }

            /// What the role's owner agreed upon with us.
            #[must_use]
            pub fn with_external_id(mut self, id: impl Into<String>) -> Self {
                self.step.external_id = Some(id.into());
                self
            }
        }
    };
}

pub(super) use step_settings;

impl Hop {
    /// To the role with this ARN, under the session name of the first.
    pub fn to(role: RoleArn) -> Self {
        Self { role, session_name: None, step: Step::lasting(Duration::from_secs(3600)) }
    }

    /// Under another session name.
    #[must_use]
    pub fn with_session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }
}

step_settings!(Hop);
