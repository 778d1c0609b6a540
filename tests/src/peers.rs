//! Where `tests/run` put the counterparts.

use std::path::PathBuf;

/// The Python interpreter of one of the environments under `tests/peers/python`.
///
/// `COUNTERSIGN_PYTHON_MOTO` names the folder of the environment `moto`, and so on.
pub fn python(environment: &str) -> PathBuf {
    let variable = format!("COUNTERSIGN_PYTHON_{}", environment.to_ascii_uppercase());
    prepared(&variable).join("bin/python")
}

/// The Node.js that the npm lock file pins.
pub fn node() -> PathBuf {
    prepared("COUNTERSIGN_NODE")
}

/// The folder that holds `node_modules`, installed from `tests/peers/npm`.
pub fn npm() -> PathBuf {
    prepared("COUNTERSIGN_NPM")
}

/// The program `s3s-fs`, which serves a folder as S3.
pub fn s3s() -> PathBuf {
    prepared("COUNTERSIGN_S3S")
}

/// Debian's Chromium.
pub fn chromium() -> PathBuf {
    prepared("COUNTERSIGN_CHROMIUM")
}

/// Debian's Redis, which is a sentinel and a cluster's node, too.
pub fn redis_server() -> PathBuf {
    prepared("COUNTERSIGN_REDIS_SERVER")
}

fn prepared(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None => {
            panic!(
                "{variable} is not set: this suite runs through `./tests/run --only peers` (or conformance, or browser)"
            )
        }
    }
}
