//! Parameters of tools that travel as headers too, for whoever stands in between: `x-mcp-header` in a tool's schema.

use super::names::encoded;
use axum::http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// Which arguments of a tool are repeated in which headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InHeaders(Vec<(Vec<String>, HeaderName)>);

/// How deep a schema may be.
const DEEPEST: usize = 64;
const MARK: &str = "x-mcp-header";

impl InHeaders {
    /// As a tool's schema says it, or why no client may accept that tool.
    pub(super) fn of(tool: &RawValue) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Described {
            #[serde(default)]
            input_schema: Value,
        }
        // Nothing is marked in most of them.
        if !tool.get().contains(MARK) {
            return Ok(Self::default());
        }
        let described: Described =
            serde_json::from_str(tool.get()).map_err(|_| "its schema cannot be read")?;
        let mut found = Self::default();
        found.look(&described.input_schema, &mut Vec::new(), true, 0)?;
        Ok(found)
    }

    /// The headers for a call with these arguments.
    pub(super) fn headers(&self, arguments: Option<&RawValue>) -> HeaderMap {
        let arguments: Value =
            arguments.and_then(|given| serde_json::from_str(given.get()).ok()).unwrap_or_default();
        let headers = self.0.iter().filter_map(|(path, name)| {
            let value = path.iter().try_fold(&arguments, |value, name| value.get(name))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((name.clone(), encoded(&text)?))
        });
        headers.collect()
    }

    /// Looks at a schema, which `plainly` describes an argument or one of its members, or is somewhere else.
    fn look(
        &mut self,
        schema: &Value,
        path: &mut Vec<String>,
        plainly: bool,
        depth: usize,
    ) -> Result<(), &'static str> {
        if depth > DEEPEST {
            return Err("its schema is too deep");
        }
        match schema {
            Value::Array(schemas) => {
                schemas.iter().try_for_each(|schema| self.look(schema, path, false, depth + 1))
            }
            Value::Object(members) => self.look_into(members, path, plainly, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn look_into(
        &mut self,
        members: &Map<String, Value>,
        path: &mut Vec<String>,
        plainly: bool,
        depth: usize,
    ) -> Result<(), &'static str> {
        if let Some(name) = members.get(MARK) {
            if !plainly || path.is_empty() {
                return Err("it has a header for what is no plain argument");
            }
            self.mark(name, members.get("type"), path)?;
        }
        for (name, value) in members {
            match (name.as_str(), value) {
                // These are values, whatever they look like.
                ("default" | "const" | "enum" | "examples" | MARK, _) => {}
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        path.push(name.clone());
                        self.look(schema, path, plainly, depth + 1)?;
                        path.pop();
                    }
                }
                (_, value) => self.look(value, path, false, depth + 1)?,
            }
        }
        Ok(())
    }

    fn mark(&mut self, name: &Value, kind: Option<&Value>, path: &[String]) -> Result<(), &'static str> {
        let name = name.as_str().filter(|name| !name.is_empty()).ok_or("it has a header without a name")?;
        let header = HeaderName::try_from(format!("mcp-param-{name}"))
            .map_err(|_| "it has a header with a name that no header can have")?;
        let kind = kind.and_then(Value::as_str);
        if !kind.is_some_and(|kind| ["string", "integer", "boolean"].contains(&kind)) {
            return Err("it has a header for what is no text, whole number or truth value");
        }
        if self.0.iter().any(|(_, known)| *known == header) {
            return Err("it has one header for two arguments");
        }
        self.0.push((path.to_vec(), header));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(schema: &Value) -> Result<InHeaders, &'static str> {
        let tool = json!({"name": "a", "inputSchema": schema}).to_string();
        InHeaders::of(&RawValue::from_string(tool).unwrap())
    }

    #[test]
    fn arguments_become_headers() {
        let text = |name: &str| json!({"type": "string", "x-mcp-header": name});
        let read = read(&json!({"type": "object", "properties": {
            "region": text("Region"),
            "n": {"type": "integer", "x-mcp-header": "N"},
            "deep": {"type": "object", "properties": {"ok": {"type": "boolean", "x-mcp-header": "Ok"}}},
            "default": text("Default"),
            "absent": text("Absent"),
        }}));
        let arguments = json!({"region": "Zürich", "n": 7, "deep": {"ok": true}, "default": "x", "other": 1});
        let arguments = RawValue::from_string(arguments.to_string()).unwrap();
        let headers = read.unwrap().headers(Some(&arguments));
        for (name, value) in [
            ("mcp-param-region", "=?base64?WsO8cmljaA==?="),
            ("mcp-param-n", "7"),
            ("mcp-param-ok", "true"),
            ("mcp-param-default", "x"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn a_schema_that_marks_what_it_may_not_is_refused() {
        let text = |name: Value| json!({"type": "string", "x-mcp-header": name});
        for properties in [
            json!({"a": text(json!(""))}),
            json!({"a": text(json!("My Region"))}),
            json!({"a": text(json!("A:"))}),
            json!({"a": text(json!("A\r\nX-Evil: 1"))}),
            json!({"a": text(json!("Région"))}),
            json!({"a": text(json!(5))}),
            json!({"a": text(Value::Null)}),
            json!({"a": text(json!("R")), "b": text(json!("r"))}),
            json!({"a": {"type": "number", "x-mcp-header": "A"}}),
            json!({"a": {"type": "object", "x-mcp-header": "A"}}),
            json!({"a": {"type": "array", "items": text(json!("A"))}}),
            json!({"a": {"oneOf": [text(json!("A")), {"type": "integer"}]}}),
        ] {
            let schema = json!({"type": "object", "properties": properties});
            assert!(read(&schema).is_err(), "{schema}");
        }
        assert!(read(&json!({"type": "object", "x-mcp-header": "A"})).is_err());
        let values = json!({"type": "object", "properties": {"a": {"default": {"x-mcp-header": 5}}}});
        assert_eq!(read(&values), Ok(InHeaders::default()));
    }
}
