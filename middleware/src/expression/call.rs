use serde_json::{Map, Value};
use std::fmt;

/// What a caller asks a server for, in the words of the protocol that they speak: the method, and what goes along with
/// it. What is not said is not known, and [may be anything](super::Expression::may_be_true).
///
/// ```
/// use countersign::expression::{Call, Expression, Supposed};
///
/// let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "alice"});
/// let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
/// let public = Expression::compile("method == 'resources/read' && resource.uri.startsWith('docs://')")?;
/// let call = Call::of("resources/read").on_resource("docs://readme");
/// assert!(public.is_true(&alice.facts().calling(&call))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Call {
    method: String,
    arguments: Option<Map<String, Value>>,
    uri: Option<String>,
    prompt: String,
    /// Whether nothing at all is known of it.
    is_any: bool,
}

impl Call {
    /// Any call, of which nothing is known: neither what is called nor with what. So an expression
    /// [may be true](super::Expression::may_be_true) of it unless the caller or the backend rule that out.
    ///
    /// ```
    /// use countersign::expression::{Call, Expression, Supposed};
    ///
    /// let claims = serde_json::json!({"iss": "https://login.example.com", "sub": "alice", "team": "data"});
    /// let alice = Supposed::from_claims(claims.as_object().cloned().unwrap_or_default())?;
    /// let may = |rule| Ok::<_, Box<dyn std::error::Error>>(
    ///     Expression::compile(rule)?.may_be_true(&alice.facts().calling(&Call::any())),
    /// );
    /// assert!(may("claims.team == 'data' && tool.name == 'query'")?);
    /// assert!(!may("claims.team == 'ops' && tool.name == 'query'")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn any() -> Self {
        Self { method: String::new(), arguments: None, uri: None, prompt: String::new(), is_any: true }
    }

    /// A call of `method`, on no resource and no prompt, with arguments that are not known.
    pub fn of(method: impl Into<String>) -> Self {
        let (uri, prompt) = (Some(String::new()), String::new());
        Self { method: method.into(), arguments: None, uri, prompt, is_any: false }
    }

    /// The same, with these arguments.
    #[must_use]
    pub fn with_arguments(self, arguments: Map<String, Value>) -> Self {
        Self { arguments: Some(arguments), ..self }
    }

    /// The same, with arguments that nobody knows.
    #[must_use]
    pub fn with_any_arguments(self) -> Self {
        Self { arguments: None, ..self }
    }

    /// The same, about this resource.
    #[must_use]
    pub fn on_resource(self, uri: impl Into<String>) -> Self {
        Self { uri: Some(uri.into()), ..self }
    }

    /// The same, about a resource, of which nobody knows yet which it is.
    #[must_use]
    pub fn on_some_resource(self) -> Self {
        Self { uri: None, ..self }
    }

    /// The same, about this prompt.
    #[must_use]
    pub fn on_prompt(self, name: impl Into<String>) -> Self {
        Self { prompt: name.into(), ..self }
    }

    pub(super) fn is_any(&self) -> bool {
        self.is_any
    }

    /// What is asked for, as its protocol calls it; nothing where that is not known.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What goes along with it; `None` where that is not known.
    pub fn arguments(&self) -> Option<&Map<String, Value>> {
        self.arguments.as_ref()
    }

    /// Whether nothing of it is unknown.
    pub fn is_known(&self) -> bool {
        self.arguments.is_some() && self.uri.is_some()
    }

    /// Which resource it is about; `None` where that is not known.
    pub(super) fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    pub(super) fn prompt(&self) -> &str {
        &self.prompt
    }
}

impl fmt::Debug for Call {
    /// Without what is in the arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}
