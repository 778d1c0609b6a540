use std::sync::Arc;

/// What a call is about, for rules that look at more than the caller.
///
/// ```
/// use countersign::proof::{Operation, Tool};
///
/// let operation = Operation::on("warehouse").calling(Tool::named("query").read_only());
/// assert_eq!(operation.backend(), "warehouse");
/// assert!(operation.tool().is_read_only());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    backend: Arc<str>,
    tool: Tool,
}

/// The tool that a call runs. Without one (listing, say) the name is empty and nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    name: Arc<str>,
    read_only: bool,
    destructive: bool,
}

impl Operation {
    /// A call to `backend` that runs no tool.
    pub fn on(backend: impl Into<Arc<str>>) -> Self {
        Self { backend: backend.into(), tool: Tool { name: "".into(), read_only: true, destructive: false } }
    }

    /// The same, running `tool`.
    #[must_use]
    pub fn calling(mut self, tool: Tool) -> Self {
        self.tool = tool;
        self
    }

    /// Where the call goes.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// What it runs.
    pub fn tool(&self) -> &Tool {
        &self.tool
    }
}

impl Tool {
    /// A tool nothing more is known of, so the worst is assumed: it changes and it destroys.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), read_only: false, destructive: true }
    }

    /// A tool that is known to change nothing.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self.destructive = false;
        self
    }

    /// A tool that is known to change things without destroying any.
    #[must_use]
    pub fn additive(mut self) -> Self {
        self.destructive = false;
        self
    }

    /// Its name; empty when there is no tool.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is known to change nothing.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether it may destroy something.
    pub fn is_destructive(&self) -> bool {
        self.destructive
    }
}
