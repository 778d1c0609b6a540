//! Real counterparts, pinned by lock file and prepared by `tests/run`.

mod assume_role;
mod botocore;
mod gate;
mod mcp_python;
mod moto;
mod oidc_exchange;
mod oidc_provider;
mod s3s;
