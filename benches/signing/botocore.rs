//! What AWS's own Python does, where it can be had.

use crate::{ACCESS_KEY_ID, REGION, SECRET, SERVICE, URI, request, token};
use serde_json::json;
use std::{collections::BTreeMap, env, process::Command, time::Duration};

/// What of botocore is installed is used as it is: a process of its own, timed by itself.
const PYTHON: &str = "COUNTERSIGN_PYTHON_BOTOCORE";

/// The median for a body of so many bytes; why not, where it cannot be had.
pub(crate) fn signature(body: usize) -> Result<Duration, String> {
    let python = env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let request = request();
    let headers: BTreeMap<&str, &str> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("it is text")))
        .collect();
    let plan = json!({
        "access_key_id": ACCESS_KEY_ID, "secret": SECRET, "token": token(),
        "service": SERVICE, "region": REGION, "url": URI, "headers": headers,
        "body": body, "times": 2_000,
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/signing/time_botocore.py");
    let output = Command::new(&python).arg(script).arg(plan.to_string()).output();
    let output = output.map_err(|error| format!("{python} cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.trim().lines().last().unwrap_or_default();
        return Err(format!("{python} says: {why}; set {PYTHON} to one that has botocore"));
    }
    let median = String::from_utf8_lossy(&output.stdout).trim().parse().expect("it is a number");
    Ok(Duration::from_nanos(median))
}
