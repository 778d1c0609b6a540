//! Real counterparts, pinned by lock file and prepared by `tests/run`.

mod assume_role;
mod botocore;
mod mcp_python;
mod gate;
mod moto;
mod oidc_provider;
