//! Real counterparts, pinned by lock file and prepared by `tests/run`.

mod botocore;
mod gate;
mod moto;
mod oidc_provider;
mod s3s;
