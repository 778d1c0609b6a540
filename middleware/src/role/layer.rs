use super::{roles::Roles, service::SelectRole};
use tower_layer::Layer;

/// Applies [`SelectRole`].
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct SelectRoleLayer {
    roles: Roles,
}

impl SelectRoleLayer {
    /// Selects by these rules.
    pub fn new(roles: Roles) -> Self {
        Self { roles }
    }
}

impl<S> Layer<S> for SelectRoleLayer {
    type Service = SelectRole<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SelectRole::new(inner, self.roles.clone())
    }
}
