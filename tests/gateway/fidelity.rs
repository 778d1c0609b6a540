//! Whatever a client says arrives at a backend byte for byte, and so does whatever the backend answers, but for what has
//! to be another: ids, progress tokens, and names where there are several backends.

use crate::gateway::{Gateway, LEGACY, MODERN};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::post,
};
use countersign_fixtures::{http::Server, mcp::PATH};
use http::{Method, StatusCode, header};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use std::sync::{Arc, Mutex};

const CASES: usize = 40;

/// A backend that knows nothing: it keeps what arrives, and says what it is told to.
#[derive(Clone, Default)]
struct Raw(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    arrived: String,
    /// With `ID` where the id of what arrived belongs.
    answer: String,
    as_event: bool,
}

impl Raw {
    async fn start(&self) -> (Server, String) {
        let server = Server::start(Router::new().route(PATH, post(answer)).with_state(self.clone())).await;
        let url = format!("{}{PATH}", server.url());
        (server, url)
    }

    fn will_answer(&self, answer: &str, as_event: bool) {
        let mut kept = self.0.lock().unwrap();
        (kept.answer, kept.as_event) = (answer.to_owned(), as_event);
    }

    fn arrived(&self) -> String {
        self.0.lock().unwrap().arrived.clone()
    }
}

async fn answer(State(raw): State<Raw>, headers: HeaderMap, body: Bytes) -> Response {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let message: Message = serde_json::from_str(&text).unwrap();
    let id = message.id.map_or("null", |id| id.get());
    let json = [(header::CONTENT_TYPE, "application/json")];
    match message.method {
        "initialize" => {
            let result = format!(
                r#"{{"protocolVersion":"{LEGACY}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"raw","version":"1"}}}}"#
            );
            (json, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)).into_response()
        }
        "tools/call" => {
            let mut kept = raw.0.lock().unwrap();
            let answer = kept.answer.replace("ID", id);
            kept.arrived = text;
            assert!(!headers.contains_key(header::AUTHORIZATION));
            if kept.as_event {
                let lines: String = answer.split('\n').map(|line| format!("data: {line}\n")).collect();
                ([(header::CONTENT_TYPE, "text/event-stream")], lines + "\n").into_response()
            } else {
                (json, answer).into_response()
            }
        }
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

/// What has to be read of a message; numbers stay as they were written.
#[derive(serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a serde_json::value::RawValue>,
    method: &'a str,
}

/// One call and its answer, with `ID`, `TOKEN` and `NAME` where those belong.
#[derive(Clone, Debug)]
struct Case {
    id: String,
    token: String,
    request: String,
    answer: String,
    as_event: bool,
}

/// Any JSON, as somebody may write it.
fn json() -> impl Strategy<Value = String> {
    let number = r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?";
    let text = "\"([ -!#-\\[\\]-~]|\\\\[nrtbf/\"\\\\]|\\\\u[0-9a-c][0-9a-f]{3}|[äß世🦀]){0,12}\"";
    let leaf = prop_oneof![number, text, Just("null".to_owned()), Just("true".to_owned())];
    let nested = leaf.prop_recursive(4, 24, 4, |inner| {
        let list = (space(), proptest::collection::vec(inner.clone(), 0..4))
            .prop_map(|(space, items)| format!("[{space}{}]", items.join(&format!("{space},"))));
        let object = (space(), proptest::collection::vec(inner, 0..4)).prop_map(|(space, items)| {
            let members: Vec<_> =
                items.iter().enumerate().map(|(at, item)| format!("\"k{at}\"{space}:{item}")).collect();
            format!("{{{}{space}}}", members.join(","))
        });
        prop_oneof![list, object]
    });
    // Now and then deeper than anybody reads.
    let deep = (1_usize..200).prop_map(|depth| format!("{}-0.50e+1{}", "[".repeat(depth), "]".repeat(depth)));
    prop_oneof![9 => nested, 1 => deep]
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\n]{0,2}"
}

fn case(modern: bool) -> impl Strategy<Value = Case> {
    let id = prop_oneof!["0|[1-9][0-9]{0,18}", "\"[a-zA-Z0-9 _:.-]{0,20}\"", Just("\"\\u0061\"".to_owned())];
    let token = prop_oneof!["[1-9][0-9]{0,18}", "\"[a-z0-9]{1,20}\""];
    let parts = (json(), json(), json(), json(), space(), any::<bool>(), any::<bool>());
    (id, token, parts, 0_usize..24, 0_usize..24).prop_map(move |(id, token, parts, order, other)| {
        let (arguments, first, second, third, space, as_event, tells) = parts;
        let mut meta = vec![format!("\"x/first\":{space}{first}")];
        if tells {
            meta.push(format!("\"progressToken\"{space}:TOKEN"));
        }
        if modern {
            meta.push(format!("\"io.modelcontextprotocol/protocolVersion\":\"{MODERN}\""));
            meta.push("\"io.modelcontextprotocol/clientCapabilities\":{ }".to_owned());
            meta.push("\"io.modelcontextprotocol/clientInfo\":{\"name\":\"n\",\"version\":\"v\"}".to_owned());
        }
        let params = shuffled(
            vec![
                format!("\"name\":{space}\"NAME\""),
                format!("\"arguments\":{{\"a\":{arguments}}}"),
                format!("\"x\":{second}{space}"),
                format!("\"_meta\":{{{}}}", shuffled(meta, other)),
            ],
            order,
        );
        let request = shuffled(
            vec![
                "\"jsonrpc\":\"2.0\"".to_owned(),
                format!("\"id\"{space}:{space}ID"),
                "\"method\":\"tools/call\"".to_owned(),
                format!("\"params\":{space}{{{params}}}"),
                format!("\"extra\":{third}"),
            ],
            other,
        );
        let answer = shuffled(
            vec![
                "\"jsonrpc\":\"2.0\"".to_owned(),
                "\"id\":ID".to_owned(),
                format!(
                    "\"result\":{space}{{\"resultType\":\"complete\",\"content\":[],\"x\":{first},\"structuredContent\":{second}}}"
                ),
                format!("\"more\"{space}:{arguments}"),
            ],
            order,
        );
        Case {
            id,
            token,
            request: format!("{space}{{{space}{request}}}{space}"),
            answer: format!("{{{answer}{space}}}"),
            as_event,
        }
    })
}

/// The members in the order that this number stands for.
fn shuffled(mut members: Vec<String>, mut order: usize) -> String {
    let mut picked = Vec::new();
    while !members.is_empty() {
        picked.push(members.remove(order % members.len()));
        order = order.wrapping_mul(31).wrapping_add(7);
    }
    picked.join(",")
}

/// Sends each case to the tool that the backend calls `theirs`, and holds what arrives against what was sent.
async fn nothing_is_changed(gateway: &Gateway, raw: &Raw, ours: &str, modern: bool) {
    let session = if modern { None } else { Some(gateway.initialize("alice").await.0) };
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let mut headers = vec![("authorization", authorization.as_str())];
    match &session {
        None => headers.extend([
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", ours),
        ]),
        Some(session) => {
            headers.extend([("mcp-protocol-version", LEGACY), ("mcp-session-id", session.as_str())]);
        }
    }
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..CASES {
        let case = case(modern).new_tree(&mut runner).unwrap().current();
        let said = |text: &str, id: &str, token: &str, name: &str| {
            text.replace("TOKEN", token).replace("NAME", name).replace("ID", id)
        };
        raw.will_answer(&case.answer, case.as_event);
        let sent = said(&case.request, &case.id, &case.token, ours);
        let reply = gateway.send(Method::POST, &headers, &sent).await;
        assert_eq!(reply.status, StatusCode::OK, "{case:?}: {}", reply.text());

        let arrived = raw.arrived();
        let message: Message = serde_json::from_str(&arrived).unwrap();
        let fresh = message.id.unwrap().get();
        assert!(fresh.parse::<u64>().is_ok(), "{fresh}");
        assert_eq!(arrived, said(&case.request, fresh, fresh, "raw_tool"), "{case:?}");

        let text = reply.text();
        let answered = match case.as_event {
            true => {
                let lines = text.split('\n').filter_map(|line| line.strip_prefix("data: "));
                lines.collect::<Vec<_>>().join("\n")
            }
            false => text,
        };
        assert_eq!(answered, case.answer.replace("ID", &case.id), "{case:?}");
    }
}

#[tokio::test]
async fn a_single_backend_hears_every_byte_in_both_eras() {
    let raw = Raw::default();
    let (_server, url) = raw.start().await;
    let gateway = Gateway::with(|text| {
        let start = text.split("backends:").next().unwrap().to_owned();
        format!("{start}backends:\n  raw:\n    url: {url}\n    auth: none\n")
    })
    .await;
    for modern in [true, false] {
        nothing_is_changed(&gateway, &raw, "raw_tool", modern).await;
    }
}

#[tokio::test]
async fn one_of_several_hears_every_byte_but_the_prefix_in_both_eras() {
    let raw = Raw::default();
    let (_server, url) = raw.start().await;
    let gateway = Gateway::with_backends(&[("raw", url)]).await;
    for modern in [true, false] {
        nothing_is_changed(&gateway, &raw, "raw__raw_tool", modern).await;
    }
}
