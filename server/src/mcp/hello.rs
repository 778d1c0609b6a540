//! What a client is told of all backends when it begins.

use super::{error::Refused, fanout::Status, peer::Peer};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What one backend says of itself, in either era.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hello {
    capabilities: Map<String, Value>,
    instructions: Option<String>,
}

/// What all of them say.
#[derive(Debug, Default)]
pub(super) struct Hellos {
    capabilities: Map<String, Value>,
    instructions: Vec<String>,
    pub(super) status: Status,
}

impl Hellos {
    /// What those said that said something; the first failure where nobody did.
    pub(super) fn of(said: Vec<(&Peer, Result<Bytes, Refused>)>) -> Result<Self, Refused> {
        let mut hellos = Self::default();
        let (mut failure, mut any) = (None, false);
        for (peer, said) in said {
            match said {
                Ok(hello) => {
                    any = true;
                    hellos.add(peer, serde_json::from_slice(&hello).unwrap_or_default());
                    hellos.status.fine(peer, &[]);
                }
                Err(refused) => {
                    hellos.status.failed(peer, &refused);
                    failure = failure.or(Some(refused));
                }
            }
        }
        match failure {
            Some(failure) if !any => Err(failure),
            _ => Ok(hellos),
        }
    }

    /// The result of `initialize`.
    pub(super) fn into_initialize(self, version: &str) -> String {
        let mut result = self.described();
        result.insert("protocolVersion".to_owned(), version.into());
        result.insert("serverInfo".to_owned(), server());
        result.insert("_meta".to_owned(), self.status.into_value());
        Value::Object(result).to_string()
    }

    /// The result of `server/discover`.
    pub(super) fn into_discover(self, versions: &[&str]) -> String {
        let mut result = self.described();
        result.insert("resultType".to_owned(), "complete".into());
        result.insert("supportedVersions".to_owned(), json!(versions));
        result.insert("ttlMs".to_owned(), 0.into());
        result.insert("cacheScope".to_owned(), "private".into());
        let mut meta = self.status.into_value();
        if let Some(meta) = meta.as_object_mut() {
            meta.insert("io.modelcontextprotocol/serverInfo".to_owned(), server());
        }
        result.insert("_meta".to_owned(), meta);
        Value::Object(result).to_string()
    }

    fn described(&self) -> Map<String, Value> {
        let mut described = Map::new();
        described.insert("capabilities".to_owned(), Value::Object(self.capabilities.clone()));
        if !self.instructions.is_empty() {
            described.insert("instructions".to_owned(), self.instructions.join("\n\n").into());
        }
        described
    }

    fn add(&mut self, peer: &Peer, hello: Hello) {
        // What is not named here belongs to one backend, and would mislead about the others.
        for name in ["tools", "prompts", "resources", "completions", "logging"] {
            let Some(theirs) = hello.capabilities.get(name) else { continue };
            let ours = self.capabilities.entry(name).or_insert_with(|| json!({}));
            for flag in ["listChanged", "subscribe"] {
                if theirs.get(flag) == Some(&Value::Bool(true))
                    && let Some(ours) = ours.as_object_mut()
                {
                    ours.insert(flag.to_owned(), true.into());
                }
            }
        }
        if let Some(instructions) = hello.instructions.filter(|text| !text.trim().is_empty()) {
            self.instructions.push(format!("{}: {instructions}", peer.name()));
        }
    }
}

fn server() -> Value {
    json!({"name": "countersign", "version": env!("CARGO_PKG_VERSION")})
}
