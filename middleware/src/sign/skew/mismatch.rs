//! What a service read otherwise than it was signed, where its refusal says what it read.
//!
//! Somebody on the way changed it, as a rule: a proxy that decodes a path, sorts a query, or writes a header anew.

use super::super::{Signer, reference::Readable};
use http::Request;
use serde_json::Value;
use std::{collections::BTreeSet, fmt};

/// One difference. What it shows is in no request's secret parts: neither a header's value nor a query's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Method { ours: String, theirs: String },
    Path { ours: String, theirs: String },
    Query { names: BTreeSet<String> },
    Header { name: String, ours: usize, theirs: Option<usize> },
}

/// What the answer's canonical request differs in from the one that was signed. `None` where the answer tells none.
pub(super) fn differences<T>(
    signer: &Signer,
    request: &Request<T>,
    answer: &[u8],
) -> Option<Vec<Difference>> {
    let theirs = told(answer)?;
    let ours = signer.readable(request.method(), request.uri(), request.headers())?;
    Some(compared(&ours, &theirs))
}

fn compared(ours: &Readable, theirs: &str) -> Vec<Difference> {
    let mut lines = theirs.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (method, path, query) = (next(), next(), next());
    let headers: Vec<(&str, &str)> =
        lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':')).collect();
    let mut differences = Vec::new();
    if method != ours.method {
        differences.push(Difference::Method { ours: ours.method.clone(), theirs: method.to_owned() });
    }
    if path != ours.path {
        differences.push(Difference::Path { ours: ours.path.clone(), theirs: path.to_owned() });
    }
    let names = differing(&ours.query, query);
    if !names.is_empty() {
        differences.push(Difference::Query { names });
    }
    for (name, value) in &ours.headers {
        let arrived = headers.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        if arrived != Some(value) {
            let (ours, theirs) = (value.len(), arrived.map(str::len));
            differences.push(Difference::Header { name: name.clone(), ours, theirs });
        }
    }
    differences
}

/// The names of what is in one query and not in the other.
fn differing(ours: &str, theirs: &str) -> BTreeSet<String> {
    let pairs = |query: &str| {
        let mut pairs: Vec<String> =
            query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        pairs.sort_unstable();
        pairs
    };
    let (ours, theirs) = (pairs(ours), pairs(theirs));
    let count = |all: &[String], pair: &String| all.iter().filter(|other| *other == pair).count();
    let uneven = ours.iter().chain(&theirs).filter(|pair| count(&ours, pair) != count(&theirs, pair));
    uneven.map(|pair| pair.split('=').next().unwrap_or_default().to_owned()).collect()
}

/// The canonical request in an answer, wherever its protocol has it.
fn told(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    if let Ok(Value::Object(members)) = serde_json::from_slice(answer) {
        let message = members.get("message").or_else(|| members.get("Message"))?.as_str()?;
        return in_message(message);
    }
    match element(&text, "CanonicalRequest") {
        Some(canonical) => Some(canonical),
        None => in_message(&element(&text, "Message")?),
    }
}

fn in_message(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Canonical String for this request should have been")?;
    let (_, rest) = rest.split_once('\'')?;
    let (canonical, _) = rest.split_once("'\n").or_else(|| rest.rsplit_once('\''))?;
    Some(canonical.to_owned())
}

/// The text of an element that holds nothing else.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let known =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#xD;", "\r"), ("&#10;", "\n")];
    let text = known.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    // Last, or else what was escaped twice would be read twice.
    Some(text.replace("&amp;", "&"))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { ours, theirs } => write!(f, "method `{ours}` was signed, `{theirs}` arrived"),
            Self::Path { ours, theirs } => write!(f, "path `{ours}` was signed, `{theirs}` arrived"),
            Self::Query { names } => {
                f.write_str("the query arrived with another value or number of")?;
                names.iter().try_for_each(|name| write!(f, " `{name}`"))
            }
            Self::Header { name, theirs: None, .. } => write!(f, "header `{name}` did not arrive"),
            Self::Header { name, ours, theirs: Some(theirs) } => {
                write!(
                    f,
                    "header `{name}` arrived with another value: {theirs} bytes where {ours} were signed"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANONICAL: &str =
        "POST\n/a%2520b\na=1&b=2\ncontent-type:text/plain\nhost:h\n\ncontent-type;host\ne3b0";

    fn ours() -> Readable {
        Readable {
            method: "POST".into(),
            path: "/a%2520b".into(),
            query: "a=1&b=2".into(),
            headers: vec![("content-type".into(), "text/plain".into()), ("host".into(), "h".into())],
        }
    }

    #[test]
    fn every_protocol_has_it_somewhere() {
        let message = format!(
            "It does not match.\n\nThe Canonical String for this request should have been\n'{CANONICAL}'\n\n\
             The String-to-Sign should have been\n'AWS4-HMAC-SHA256\nx'\n"
        );
        let json = serde_json::json!({"__type": "InvalidSignatureException", "message": message}).to_string();
        let escaped = CANONICAL.replace('&', "&amp;");
        let query = format!("<Error><Message>{}</Message></Error>", message.replace('&', "&amp;"));
        let s3 = format!("<Error><CanonicalRequest>{escaped}</CanonicalRequest></Error>");
        for answer in [json, query, s3] {
            assert_eq!(told(answer.as_bytes()).as_deref(), Some(CANONICAL), "{answer}");
        }
        for answer in ["", "{}", r#"{"message": "no"}"#, "<Error><Message>no</Message></Error>"] {
            assert_eq!(told(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn what_differs_is_named_and_no_value_is_shown() {
        assert_eq!(compared(&ours(), CANONICAL), []);
        let theirs =
            "PUT\n/a%20b\na=1&b=secret\ncontent-type:text/plain; charset=utf-8\n\ncontent-type\ne3b0";
        let differences = compared(&ours(), theirs);
        let said: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "method `POST` was signed, `PUT` arrived",
                "path `/a%2520b` was signed, `/a%20b` arrived",
                "the query arrived with another value or number of `b`",
                "header `content-type` arrived with another value: 25 bytes where 10 were signed",
                "header `host` did not arrive",
            ]
        );
    }
}
