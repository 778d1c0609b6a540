//! Real counterparts, pinned by lock file and prepared by `tests/run`.

mod botocore;
mod mcp_python;
mod moto;
mod oidc_exchange;
mod oidc_provider;
