//! What tools and prompts are called, in each of the ways that there are, and that calls find their way by that name.

use crate::gateway::{Gateway, configuration, mcp_at, message, unsigned, validate, written};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    mcp::{
        everything::Everything,
        misbehaving::{Fault, Misbehaving},
        warehouse,
    },
    world::World,
};
use http::Method;
use serde_json::{Value, json};

/// The warehouse, signed; an everything server and the warehouse again, without any signature; and how they are named.
async fn three(naming: &str) -> (Gateway, [Server; 2]) {
    let servers =
        [Server::start(Everything::default().router()).await, Server::start(warehouse::router()).await];
    let more = unsigned(&[("all", mcp_at(&servers[0])), ("shop", mcp_at(&servers[1]))]);
    (Gateway::with(|text| text + &more + naming).await, servers)
}

/// Asks in a session, or without.
async fn ask(gateway: &Gateway, session: Option<&str>, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    message(&match session {
        Some(session) => gateway.in_session("alice", session, Method::POST, &body.to_string()).await,
        None => gateway.modern("alice", method, params).await,
    })
}

fn names<'v>(answer: &'v Value, field: &str) -> Vec<&'v str> {
    let items = answer["result"][field].as_array().unwrap_or_else(|| panic!("{answer}"));
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn notes(answer: &Value, backend: &str) -> Vec<String> {
    let notes = answer["result"]["_meta"]["countersign/backends"][backend]["notes"].as_array();
    notes.into_iter().flatten().map(|note| note.as_str().unwrap().to_owned()).collect()
}

/// Whether the warehouse was called in whose name there are signatures.
fn is_signed(answer: &Value) -> &Value {
    &answer["result"]["structuredContent"]["signed"]
}

#[tokio::test]
async fn a_prefix_is_what_the_operator_makes_of_the_backends_name() {
    let (gateway, _servers) = three("naming: {prefix: 'mcp-{backend}_'}\n").await;
    let (session, _) = gateway.initialize("alice").await;
    for session in [Some(session.as_str()), None] {
        // No list was asked for: the name says whose it is.
        for (tool, signed) in [("mcp-warehouse_whoami", true), ("mcp-shop_whoami", false)] {
            let called = ask(&gateway, session, "tools/call", json!({"name": tool, "arguments": {}})).await;
            assert_eq!(is_signed(&called), signed, "{called}");
        }
        let prompt = json!({"name": "mcp-shop_restock", "arguments": {"sku": "A-100"}});
        let prompt = ask(&gateway, session, "prompts/get", prompt).await;
        assert!(prompt["result"]["messages"].is_array(), "{prompt}");
        let unknown = json!({"name": "shop__whoami", "arguments": {}});
        let unknown = ask(&gateway, session, "tools/call", unknown).await;
        assert_eq!(unknown["error"]["message"], "there is no tool `shop__whoami`");
    }
    let tools = ask(&gateway, None, "tools/list", json!({})).await;
    let tools = names(&tools, "tools");
    assert!(tools.contains(&"mcp-all_test_simple_text") && tools.iter().all(|name| name.starts_with("mcp-")));
}

#[tokio::test]
async fn names_that_do_not_fit_behind_a_template_are_found_again() {
    let misbehaving = Misbehaving::default();
    misbehaving.faults().add("tools/list", Fault::HostileNames, None);
    let server = Server::start(misbehaving.router()).await;
    let more = unsigned(&[("bad", mcp_at(&server))]) + "naming: {prefix: '{backend}-'}\n";
    let gateway = Gateway::with(|text| text + &more).await;
    let listed = ask(&gateway, None, "tools/list", json!({})).await;
    let listed = names(&listed, "tools");
    let long = listed.iter().find(|name| name.starts_with("bad-xxx")).unwrap();
    let before = misbehaving.asked("tools/call");
    ask(&gateway, None, "tools/call", json!({"name": long, "arguments": {}})).await;
    assert_eq!(misbehaving.asked("tools/call"), before + 1);
}

#[tokio::test]
async fn of_several_with_one_name_the_one_counts_that_the_operator_puts_first() {
    let (gateway, _servers) = three("naming: {priority: [shop, all, warehouse]}\n").await;
    let (session, _) = gateway.initialize("alice").await;
    for session in [Some(session.as_str()), None] {
        let called = ask(&gateway, session, "tools/call", json!({"name": "whoami", "arguments": {}})).await;
        assert_eq!(is_signed(&called), false, "{called}");
        let tools = ask(&gateway, session, "tools/list", json!({})).await;
        assert_eq!(names(&tools, "tools")[..2], ["add_item", "drop_table"], "in the order of the list");
        assert_eq!(names(&tools, "tools").iter().filter(|name| **name == "whoami").count(), 1);
        assert!(notes(&tools, "shop").is_empty());
        let left = notes(&tools, "warehouse");
        assert!(
            left.contains(&"`whoami` is left out: `whoami` is the name of one of `shop`".to_owned()),
            "{left:?}"
        );
        let prompt = json!({"name": "restock", "arguments": {"sku": "A-100"}});
        let prompt = ask(&gateway, session, "prompts/get", prompt).await;
        assert!(prompt["result"]["messages"].is_array(), "{prompt}");
        let prompts = ask(&gateway, session, "prompts/list", json!({})).await;
        assert_eq!(notes(&prompts, "warehouse").len(), 1, "{prompts}");
    }
}

#[tokio::test]
async fn a_name_does_not_become_anothers_when_its_backend_fails() {
    let misbehaving = Misbehaving::default();
    let (first, second) =
        (Server::start(misbehaving.router()).await, Server::start(Everything::default().router()).await);
    let more = unsigned(&[("first", mcp_at(&first)), ("second", mcp_at(&second))])
        + "naming: {priority: [first, second, warehouse]}\n";
    let gateway = Gateway::with(|text| text + &more).await;
    let (session, _) = gateway.initialize("alice").await;
    let ask = async |method: &str, params: Value| ask(&gateway, Some(&session), method, params).await;
    let call = json!({"name": "test_simple_text", "arguments": {}});
    let tools = ask("tools/list", json!({})).await;
    assert!(names(&tools, "tools").contains(&"test_simple_text"));
    assert!(notes(&tools, "second").iter().any(|note| note.starts_with("`test_simple_text`")), "{tools}");
    let before = misbehaving.asked("tools/call");
    ask("tools/call", call.clone()).await;
    assert_eq!(misbehaving.asked("tools/call"), before + 1);

    misbehaving.faults().add("tools/list", Fault::Status(500), None);
    let tools = ask("tools/list", json!({})).await;
    assert_eq!(tools["result"]["_meta"]["countersign/backends"]["first"]["status"], "failed", "{tools}");
    assert!(!names(&tools, "tools").contains(&"test_simple_text"), "{tools}");
    assert!(names(&tools, "tools").contains(&"whoami"), "what is others' is there");
    ask("tools/call", call).await;
    assert_eq!(misbehaving.asked("tools/call"), before + 2, "it is still called where it was");
}

const BY_HAND: &str = "naming:
  manual:
    shop:
      tools: {whoami: who-is-in-the-shop, list_items: items}
      prompts: {restock: order}
";

#[tokio::test]
async fn the_operator_names_them_one_by_one() {
    let (gateway, _servers) = three(BY_HAND).await;
    let (session, _) = gateway.initialize("alice").await;
    for session in [Some(session.as_str()), None] {
        for (tool, signed) in [("who-is-in-the-shop", false), ("whoami", true)] {
            let called = ask(&gateway, session, "tools/call", json!({"name": tool, "arguments": {}})).await;
            assert_eq!(is_signed(&called), signed, "{called}");
        }
        for prompt in ["order", "restock"] {
            let prompt = json!({"name": prompt, "arguments": {"sku": "A-100"}});
            let prompt = ask(&gateway, session, "prompts/get", prompt).await;
            assert!(prompt["result"]["messages"].is_array(), "{prompt}");
        }
        let tools = ask(&gateway, session, "tools/list", json!({})).await;
        let listed = names(&tools, "tools");
        for tool in ["items", "list_items", "who-is-in-the-shop", "whoami", "test_simple_text"] {
            assert_eq!(listed.iter().filter(|name| **name == tool).count(), 1, "{tool}: {listed:?}");
        }
        let left = notes(&tools, "shop");
        assert_eq!(left.len(), 3, "what has no name of its own is there once: {left:?}");
    }
}

#[tokio::test]
async fn mistakes_in_names_are_told() {
    let world = World::start(Clock::default()).await;
    let shop = "  shop:\n    url: http://127.0.0.1:9/mcp\n    auth: none\n";
    for (more, hint) in [
        ("naming: {prefix: '{backnd}_'}\n", "there is only `{backend}`"),
        ("naming: {prefix: '{backend}.'}\n", "letters that clients refuse"),
        ("naming: {prefix: none, priority: [shop, warehouse]}\n", "in two ways"),
        ("naming: {priority: [shop]}\n", "nothing says when the names of `warehouse` count"),
        ("naming: {priority: [shop, warehouse, shop]}\n", "in the list twice"),
        ("naming: {priority: [shp, warehouse]}\n", "did you mean `shop`?"),
        ("naming: {priorty: [shop]}\n", "did you mean `priority`?"),
        ("naming: {manual: {shp: {tools: {a: b}}}}\n", "did you mean `shop`?"),
        ("naming: {manual: {shop: {tools: {a: x, b: x}}}}\n", "`x` is the name of one of `shop` already"),
        (
            "naming: {manual: {shop: {tools: {a: x}}, warehouse: {tools: {a: x}}}}\n",
            "`x` is the name of one of `shop` already",
        ),
        ("naming: {manual: {shop: {tools: {a: 'two words'}}}}\n", "no name that all clients accept"),
        ("    tools: {deny: [a]}\nnaming: {manual: {shop: {tools: {a: b}}}}\n", "no client sees it"),
        ("    tools: {rename: {a: b}}\nnaming: {manual: {shop: {tools: {b: c}}}}\n", "in two places"),
    ] {
        let file = written(&(configuration(&world) + shop + more));
        let (code, out) = validate(file.path(), &[]).await;
        assert_eq!(code, 1, "{more}: {out}");
        assert!(out.contains(hint), "{more}: {out}");
    }
    let alike = "  a:\n    url: http://127.0.0.1:9/mcp\n    auth: none\n  a_b:\n    url: http://127.0.0.1:9/mcp\n    auth: none\n";
    let file = written(&(configuration(&world) + alike + "naming: {prefix: '{backend}_'}\n"));
    let (code, out) = validate(file.path(), &[]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("a tool `b_x` of `a` and a tool `x` of `a_b` are the same"), "{out}");
}
