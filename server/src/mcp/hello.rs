//! What a client is told of all backends when it begins.

use super::{error::Refused, fanout::Status, peer::Peer, tasks::TASKS};
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
    /// What those can that have sessions, and whether any can without.
    tasks: Option<Map<String, Value>>,
    extends_to_tasks: bool,
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
        let mut result = self.described("tasks", self.tasks.clone().filter(|_| version == "2025-11-25"));
        result.insert("protocolVersion".to_owned(), version.into());
        result.insert("serverInfo".to_owned(), server());
        result.insert("_meta".to_owned(), self.status.into_value());
        Value::Object(result).to_string()
    }

    /// The result of `server/discover`.
    pub(super) fn into_discover(self, versions: &[&str]) -> String {
        let extension = self.extends_to_tasks.then(|| Map::from_iter([(TASKS.to_owned(), json!({}))]));
        let mut result = self.described("extensions", extension);
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

    /// `more` is what only the clients of one era are told.
    fn described(&self, name: &str, more: Option<Map<String, Value>>) -> Map<String, Value> {
        let mut described = Map::new();
        let more = more.map(|more| (name.to_owned(), Value::Object(more)));
        let capabilities = self.capabilities.clone().into_iter().chain(more).collect();
        described.insert("capabilities".to_owned(), Value::Object(capabilities));
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
        if let Some(theirs) = hello.capabilities.get("tasks") {
            let ours = self.tasks.get_or_insert_default();
            // Not what lists tasks: to some backends all callers are one.
            for name in ["cancel", "requests"] {
                if let (Some(theirs), false) = (theirs.get(name), ours.contains_key(name)) {
                    ours.insert(name.to_owned(), theirs.clone());
                }
            }
        }
        self.extends_to_tasks |=
            hello.capabilities.get("extensions").is_some_and(|extensions| extensions.get(TASKS).is_some());
        if let Some(instructions) = hello.instructions.filter(|text| !text.trim().is_empty()) {
            self.instructions.push(format!("{}: {instructions}", peer.name()));
        }
    }
}

fn server() -> Value {
    json!({"name": "countersign", "version": env!("CARGO_PKG_VERSION")})
}
