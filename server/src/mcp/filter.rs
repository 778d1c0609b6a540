//! What a subscription wants to hear, and what of a backend's news that is.

use super::{
    sse::Event,
    wire::{Edits, Heard, quoted},
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

/// What a subscription wants to hear.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    pub(super) tools_list_changed: bool,
    pub(super) prompts_list_changed: bool,
    pub(super) resources_list_changed: bool,
    pub(super) resource_subscriptions: Vec<String>,
    pub(super) task_ids: Vec<String>,
}

/// What a subscription names of one backend's: as the client does, and as the backend does.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub(super) resources: Vec<(String, String)>,
    pub(super) tasks: Vec<(String, String)>,
}

/// What of a session's news is a subscription's.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) id: String,
    pub(super) filter: Filter,
    /// By the backend's names.
    pub(super) watched: Vec<String>,
}

impl Subscribed {
    /// The same as the subscription hears it; `None` where it did not ask for that.
    pub(super) fn event(&self, event: Event) -> Option<Event> {
        #[derive(Deserialize)]
        struct Params<'a> {
            uri: Option<String>,
            #[serde(borrow, rename = "_meta")]
            meta: Option<&'a RawValue>,
        }
        let Some(data) = event.data.clone().filter(|data| !data.is_empty()) else { return Some(event) };
        let heard = Heard::parse(&data)?;
        let params: Option<Params<'_>> = heard.params.and_then(|params| serde_json::from_str(params).ok());
        let is_wanted = match heard.method.as_deref()? {
            "notifications/tools/list_changed" => self.filter.tools_list_changed,
            "notifications/prompts/list_changed" => self.filter.prompts_list_changed,
            "notifications/resources/list_changed" => self.filter.resources_list_changed,
            "notifications/resources/updated" => params
                .as_ref()
                .and_then(|params| params.uri.as_ref())
                .is_some_and(|uri| self.watched.contains(uri)),
            _ => false,
        };
        if !is_wanted {
            return None;
        }
        let id = format!("\"io.modelcontextprotocol/subscriptionId\":{}", self.id);
        let mut edits = Edits::of(&data);
        match (heard.params, params.and_then(|params| params.meta)) {
            (Some(_), Some(meta)) => edits.add_members(meta.get(), &id),
            (Some(params), None) => edits.add_members(params, &format!("\"_meta\":{{{id}}}")),
            (None, _) => {
                let message = std::str::from_utf8(&data).unwrap_or_default().trim_start();
                edits.add_members(message, &format!("\"params\":{{\"_meta\":{{{id}}}}}"));
            }
        }
        let told = edits.done();
        Some(event.with_data(&told))
    }
}

impl Filter {
    /// Everything that there is to hear, but for resources and tasks, each of which has to be named.
    pub(super) const EVERYTHING: Self = Self {
        tools_list_changed: true,
        prompts_list_changed: true,
        resources_list_changed: true,
        resource_subscriptions: Vec::new(),
        task_ids: Vec::new(),
    };

    /// What of this is wanted.
    pub(super) fn of(&self, announced: &Value) -> Value {
        let wanted = [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ];
        let is_told = |name: &str| announced.get(name) == Some(&Value::Bool(true));
        let told = wanted.into_iter().filter(|(name, wanted)| *wanted && is_told(name));
        Value::Object(told.map(|(name, _)| (name.to_owned(), true.into())).collect())
    }

    pub(super) fn for_one(&self, chosen: &Chosen) -> String {
        let flags = [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ];
        let flags =
            flags.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| format!("\"{name}\":true"));
        let named = [("resourceSubscriptions", &chosen.resources), ("taskIds", &chosen.tasks)];
        let named = named.into_iter().filter(|(_, names)| !names.is_empty()).map(|(name, names)| {
            let theirs: Vec<_> = names.iter().map(|(_, theirs)| quoted(theirs)).collect();
            format!("\"{name}\":[{}]", theirs.join(","))
        });
        format!("{{{}}}", flags.chain(named).collect::<Vec<_>>().join(","))
    }
}

/// What a backend with sessions says that it tells, as a subscription would put it.
pub(super) fn announced(hello: &[u8]) -> Value {
    let hello: Value = serde_json::from_slice(hello).unwrap_or_default();
    let lists = [
        ("toolsListChanged", "/capabilities/tools/listChanged"),
        ("promptsListChanged", "/capabilities/prompts/listChanged"),
        ("resourcesListChanged", "/capabilities/resources/listChanged"),
    ];
    let told = lists.into_iter().filter(|(_, place)| hello.pointer(place) == Some(&Value::Bool(true)));
    Value::Object(told.map(|(name, _)| (name.to_owned(), true.into())).collect())
}

/// Adds what one backend agreed to, in the client's words.
pub(super) fn merge(heard: &mut Map<String, Value>, theirs: &Value, chosen: &Chosen) {
    for name in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
        if theirs.get(name) == Some(&Value::Bool(true)) {
            heard.insert(name.to_owned(), true.into());
        }
    }
    for (name, chosen) in [("resourceSubscriptions", &chosen.resources), ("taskIds", &chosen.tasks)] {
        let agreed = theirs.get(name).and_then(Value::as_array);
        let agreed = agreed.into_iter().flatten().filter_map(Value::as_str);
        let ours = agreed.filter_map(|named| chosen.iter().find(|(_, theirs)| theirs == named));
        let ours: Vec<Value> = ours.map(|(ours, _)| json!(ours)).collect();
        if !ours.is_empty() {
            let all = heard.entry(name).or_insert_with(|| json!([]));
            if let Some(all) = all.as_array_mut() {
                all.extend(ours);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_told_under_the_subscriptions_id_and_nothing_else_changes() {
        let filter = Filter { tools_list_changed: true, ..Filter::default() };
        let subscribed = Subscribed { id: "\"s\"".to_owned(), filter, watched: vec!["a://b".to_owned()] };
        let told = |text: &str| {
            let event = subscribed.event(Event::saying(text.as_bytes()))?;
            event.data.map(|data| String::from_utf8(data).unwrap())
        };
        let id = r#""io.modelcontextprotocol/subscriptionId":"s""#;
        for (text, expected) in [
            (
                r#"{"method":"notifications/tools/list_changed"}"#,
                format!(r#"{{"params":{{"_meta":{{{id}}}}},"method":"notifications/tools/list_changed"}}"#),
            ),
            (
                r#"{"method":"notifications/resources/updated","params":{"uri":"a://b","x":1.0e400}}"#,
                format!(
                    r#"{{"method":"notifications/resources/updated","params":{{"_meta":{{{id}}},"uri":"a://b","x":1.0e400}}}}"#
                ),
            ),
            (
                r#"{"method":"notifications/tools/list_changed","params":{"_meta":{"k":-0}}}"#,
                format!(
                    r#"{{"method":"notifications/tools/list_changed","params":{{"_meta":{{{id},"k":-0}}}}}}"#
                ),
            ),
        ] {
            assert_eq!(told(text), Some(expected), "{text}");
        }
        for text in [
            r#"{"method":"notifications/prompts/list_changed"}"#,
            r#"{"method":"notifications/resources/updated","params":{"uri":"a://c"}}"#,
            r#"{"method":"notifications/message","params":{}}"#,
            r#"{"id":1,"result":{}}"#,
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
