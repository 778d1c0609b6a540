//! Somebody at a client: answers whatever is asked, and remembers what was told.
#![allow(deprecated, reason = "servers still ask for what 2026-07-28 deprecates")]

use ::rmcp::{
    ClientHandler, ErrorData,
    model::{
        ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        ElicitationAction, Implementation, ListRootsResult, LoggingMessageNotificationParam,
        ProgressNotificationParam, ResourceUpdatedNotificationParam, Root, SamplingMessage,
    },
    service::{NotificationContext, RequestContext, RoleClient},
};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A client's handler that can do everything, for [`Wire::connect`](super::Wire::connect).
#[derive(Clone, Debug)]
pub struct Person {
    ears: UnboundedSender<Heard>,
}

/// Something that a server told, outside of answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// How far a request is.
    Progress(f64),
    /// A log message.
    Log(Value),
    /// There are other tools now.
    Tools,
    /// There are other prompts now.
    Prompts,
    /// This resource has other contents now.
    Resource(String),
}

impl Person {
    /// Somebody, and what they hear.
    pub fn listening() -> (Self, UnboundedReceiver<Heard>) {
        let (ears, heard) = unbounded_channel();
        (Self { ears }, heard)
    }

    fn hear(&self, heard: Heard) {
        // A test that does not listen has dropped the receiver.
        let _ = self.ears.send(heard);
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = json!({
            "elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": true},
        });
        let capabilities = serde_json::from_value(capabilities).expect("these are capabilities");
        ClientConfig::new(capabilities, Implementation::new("somebody", "1"))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("Paris"), "somebody's".to_owned()))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///home/somebody")]))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let accepted = ElicitResult::new(ElicitationAction::Accept);
        if let ElicitRequestParams::FormElicitationParams { requested_schema, .. } = request {
            Ok(accepted.with_content(filled_in(&json!(requested_schema))))
        } else {
            Ok(accepted)
        }
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.hear(Heard::Progress(told.progress));
    }

    async fn on_logging_message(
        &self,
        told: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear(Heard::Log(told.data));
    }

    async fn on_resource_updated(
        &self,
        told: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear(Heard::Resource(told.uri));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear(Heard::Tools);
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear(Heard::Prompts);
    }
}

/// A form with what it suggests, or with something of the right type.
fn filled_in(schema: &Value) -> Value {
    let fields = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let filled: Map<String, Value> = fields
        .into_iter()
        .map(|(name, field)| {
            let value = field.get("default").cloned().unwrap_or_else(|| {
                match field.get("type").and_then(Value::as_str) {
                    Some("boolean") => json!(true),
                    Some("integer" | "number") => json!(7),
                    Some("array") => json!([]),
                    _ => field.pointer("/enum/0").cloned().unwrap_or_else(|| json!("Ada")),
                }
            });
            (name, value)
        })
        .collect();
    Value::Object(filled)
}
