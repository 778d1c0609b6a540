//! The official Python client, driven by `tests/peers/mcp_client.py`, and its first major version, driven by
//! `tests/peers/mcp_client_1.py`.

use crate::{peers, process::Counterpart};
use serde_json::{Value, json};
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/mcp_client.py");
const FIRST_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/mcp_client_1.py");

/// A client that is not running yet. The script says what its modes and steps are.
#[derive(Clone, Debug)]
pub struct Python {
    environment: &'static str,
    script: &'static str,
    url: String,
    mode: String,
    token: Option<String>,
    signs_in: bool,
}

impl Python {
    /// A client of the server at `url`; `mode` is `auto`, `legacy` or a version.
    pub fn new(url: &str, mode: &str) -> Self {
        let (url, mode) = (url.to_owned(), mode.to_owned());
        Self { environment: "mcp", script: SCRIPT, url, mode, token: None, signs_in: false }
    }

    /// A client of the first major version, which knows sessions only.
    pub fn first(url: &str) -> Self {
        Self { environment: "mcp1", script: FIRST_SCRIPT, ..Self::new(url, "legacy") }
    }

    /// Sends a bearer token with everything.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Gets its tokens by itself: it says `visit:`, with the address that a person has to visit, where they are sent back
    /// to its own.
    pub fn signing_in(mut self) -> Self {
        self.signs_in = true;
        self
    }

    /// Lets it connect and take these steps.
    pub fn start(&self, steps: &[Value]) -> Running {
        let mut command = Command::new(peers::python(self.environment));
        command.arg(self.script).args([&self.url, &self.mode]).arg(json!(steps).to_string());
        command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
        if let Some(token) = &self.token {
            command.env("MCP_TOKEN", token);
        }
        if self.signs_in {
            command.env("MCP_SIGN_IN", "1");
        }
        Running(Counterpart::start(&mut command))
    }
}

/// A client at work. It ends with the test.
#[derive(Debug)]
pub struct Running(Counterpart);

impl Running {
    /// What it says next under this mark: `visit:`, `connected:`, `answer:` or `failed:`.
    pub async fn wait_for(&mut self, mark: &str) -> Value {
        serde_json::from_str(&self.0.wait_for(mark).await).expect("what it says is JSON")
    }

    /// Its next answers.
    pub async fn answers<const N: usize>(&mut self) -> [Value; N] {
        let mut answers = [const { Value::Null }; N];
        for answer in &mut answers {
            *answer = self.wait_for("answer:").await;
        }
        answers
    }
}
