//! Rules about methods, arguments and scopes: what is not allowed is not there, and who lacks a scope is told which.

use crate::gateway::{
    Gateway, MODERN, configuration, mcp_at, message, modern_body, unsigned, validate, written,
};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    mcp::{Listening, everything::Everything, warehouse},
    world::World,
};
use countersign_tests::client::Answer;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const RULES: &str = "authorization:
  rules:
    - \"'admins' in claims.groups\"
    - \"method == 'tools/call' && tool.name == 'read_item' && arguments.sku.startsWith('A-')\"
    - when: tool.name == 'add_item'
      scopes: [stock:write]
    - when: tool.name == 'drop_table'
      scopes: [stock:write, stock:drop, stock:audit]
    - when: tool.name == 'drop_table' && arguments.table == 'stock'
      scopes: [stock:write, stock:drop]
    - \"method == 'prompts/get' && prompt.name == 'restock' && arguments.sku == 'A-100'\"
    - \"method == 'resources/read' && resource.uri.startsWith('warehouse://stock/A')\"
";

/// One warehouse that wants no signatures, so that the rules alone decide; and what it hears.
async fn ruled() -> (Gateway, Server, Listening) {
    let heard = Listening::default();
    let server = Server::start(heard.before(warehouse::router())).await;
    let gateway = Gateway::with(|text| {
        let text = text.replacen("    - issuer: ", "    - required_scopes: [mcp]\n      issuer: ", 1);
        let (before, _) = text.split_once("  warehouse:\n").unwrap();
        before.to_owned() + &unsigned(&[("warehouse", mcp_at(&server))]) + RULES
    });
    (gateway.await, server, heard)
}

/// A modern request of somebody with these scopes, which says in its headers what it says in its body.
async fn asked(gateway: &Gateway, who: &str, scopes: &str, method: &str, body: &str) -> Answer {
    let mint =
        gateway.world.idp.mint(who).audience(&gateway.endpoint).claim("scope", format!("mcp {scopes}"));
    let authorization = format!("Bearer {}", mint.token());
    let said: Value = serde_json::from_str(body).unwrap();
    let name = said["params"]["name"].as_str().or(said["params"]["uri"].as_str()).unwrap_or_default();
    let mut headers = vec![
        ("authorization", authorization.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", method),
    ];
    if !name.is_empty() {
        headers.push(("mcp-name", name));
    }
    gateway.send(Method::POST, &headers, body).await
}

async fn ask(gateway: &Gateway, scopes: &str, method: &str, params: Value) -> Answer {
    asked(gateway, "bob", scopes, method, &modern_body(method, params)).await
}

fn called(tool: &str, arguments: &Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

async fn listed(gateway: &Gateway, method: &str, field: &str, key: &str) -> Vec<String> {
    let answer = message(&ask(gateway, "", method, json!({})).await);
    let items = answer["result"][field].as_array().unwrap_or_else(|| panic!("{answer}"));
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_call_is_decided_by_its_arguments_and_a_list_by_whether_there_may_be_such() {
    let (gateway, _server, heard) = ruled().await;
    assert_eq!(
        listed(&gateway, "tools/list", "tools", "name").await,
        ["add_item", "drop_table", "read_item"]
    );
    let read = async |arguments: Value| {
        message(&ask(&gateway, "", "tools/call", called("read_item", &arguments)).await)
    };
    let good = read(json!({"sku": "A-100"})).await;
    assert_eq!(good["result"]["isError"], false, "{good}");
    for arguments in [json!({"sku": "B-200"}), json!({}), json!({"sku": 7})] {
        let refused = read(arguments).await;
        assert_eq!(refused["error"]["code"], -32001, "{refused}");
        assert_eq!(refused["error"]["message"], "you may not use the tool `read_item` with these arguments");
    }
    // Of two that have the same name, the backend might take the other one.
    let twice = modern_body("tools/call", called("read_item", &json!({"sku": "A-100"})));
    let twice = twice.replace(r#""sku":"A-100""#, r#""sku":"B-200","sku":"A-100""#);
    let refused = message(&asked(&gateway, "bob", "", "tools/call", &twice).await);
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("a name is there twice"), "{refused}");
    assert!(heard.requests().iter().all(|request| !request.contains("B-200")), "nothing arrived");
}

#[tokio::test]
async fn what_is_denied_is_not_told_from_what_is_not_there() {
    let (gateway, _server, heard) = ruled().await;
    let mut answers = Vec::new();
    for name in ["list_items", "list_nobody", "whoami", "nobody"] {
        let answer = ask(&gateway, "", "tools/call", called(name, &json!({}))).await;
        assert_eq!(answer.status, StatusCode::OK);
        let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "date").collect();
        headers.retain(|(name, _)| *name != "content-length");
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        answers.push((headers, answer.text().replace(name, "NAME")));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].1.contains("there is no tool `NAME`"));
    assert!(!heard.requests().iter().any(|request| request.contains("tools/call")), "nothing arrived");
}

#[tokio::test]
async fn whoever_lacks_only_scopes_is_told_the_smallest_set_that_would_do() {
    let (gateway, _server, _heard) = ruled().await;
    let item = json!({"sku": "Z-1", "name": "bell", "quantity": 1});
    let drop = || called("drop_table", &json!({"table": "stock"}));
    for (scopes, call, needed) in [
        ("", called("add_item", &item), "mcp stock:write"),
        ("other", called("add_item", &item), "mcp stock:write"),
        ("stock:write", drop(), "mcp stock:write stock:drop"),
        (
            "stock:audit",
            called("drop_table", &json!({"table": "x"})),
            "mcp stock:write stock:drop stock:audit",
        ),
    ] {
        let answer = ask(&gateway, scopes, "tools/call", call).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{challenge}");
        assert!(challenge.contains("resource_metadata="), "{challenge}");
    }
    for (scopes, call) in [("stock:write", called("add_item", &item)), ("stock:drop stock:write", drop())] {
        let done = message(&ask(&gateway, scopes, "tools/call", call).await);
        assert_eq!(done["result"]["isError"], false, "{done}");
    }
}

#[tokio::test]
async fn in_a_batch_a_missing_scope_is_the_answer_to_its_own_message() {
    let (gateway, _server, _heard) = ruled().await;
    let mint = gateway.world.idp.mint("bob").audience(&gateway.endpoint).claim("scope", "mcp");
    let authorization = format!("Bearer {}", mint.token());
    let me = ("authorization", authorization.as_str());
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let hello = gateway.send(Method::POST, &[me], &hello.to_string()).await;
    let session = hello.header("mcp-session-id").to_owned();
    let call =
        |id: u8, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    let batch = json!([
        call(1, called("add_item", &json!({}))),
        call(2, called("read_item", &json!({"sku": "A-100"}))),
    ]);
    let answer = gateway.send(Method::POST, &[me, ("mcp-session-id", &session)], &batch.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    let of = |id: u8| {
        let mut answers =
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok());
        answers.find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{text}"))
    };
    assert_eq!(of(1)["error"]["message"], "your token lacks scopes; get one with `mcp stock:write`");
    assert_eq!(of(2)["result"]["isError"], false);
}

#[tokio::test]
async fn prompts_and_resources_are_ruled_too() {
    let (gateway, _server, _heard) = ruled().await;
    assert_eq!(listed(&gateway, "prompts/list", "prompts", "name").await, ["restock"]);
    assert!(listed(&gateway, "resources/list", "resources", "uri").await.is_empty());
    let templates = listed(&gateway, "resources/templates/list", "resourceTemplates", "uriTemplate").await;
    assert_eq!(templates, ["warehouse://stock/{sku}"]);
    let get = async |sku: &str| {
        let params = json!({"name": "restock", "arguments": {"sku": sku}});
        message(&ask(&gateway, "", "prompts/get", params).await)
    };
    assert!(get("A-100").await["result"]["messages"].is_array());
    assert_eq!(get("B-200").await["error"]["code"], -32001);
    for (uri, may) in [
        ("warehouse://stock/A-100", true),
        ("warehouse://stock/B-200", false),
        ("warehouse://stock", false),
        ("warehouse+warehouse://stock", false),
    ] {
        let read = message(&ask(&gateway, "", "resources/read", json!({"uri": uri})).await);
        assert_eq!(read["result"].is_object(), may, "{uri}: {read}");
        if !may {
            assert_eq!(read["error"]["message"], format!("there is no resource `{uri}`"));
        }
    }
    // Admins have everything, so it was the rules.
    let body = modern_body("resources/read", json!({"uri": "warehouse://stock"}));
    let read = message(&asked(&gateway, "alice", "", "resources/read", &body).await);
    assert!(read["result"]["contents"].is_array(), "{read}");
}

#[tokio::test]
async fn who_may_not_read_may_not_watch_or_complete_either() {
    let gateway = Gateway::with(|text| text + "authorization: {rules: [\"tool.name != ''\"]}\n").await;
    let (session, _) = gateway.initialize("bob").await;
    let ask = async |method: &str, params: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        message(&gateway.in_session("bob", &session, Method::POST, &body).await)
    };
    let hidden = json!({"uri": "warehouse+warehouse://stock"});
    for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
        let refused = ask(method, hidden.clone()).await;
        assert_eq!(
            refused["error"]["message"], "there is no resource `warehouse+warehouse://stock`",
            "{method}"
        );
    }
    let argument = json!({"name": "sku", "value": "A"});
    for reference in [
        json!({"type": "ref/prompt", "name": "restock"}),
        json!({"type": "ref/resource", "uri": "warehouse+warehouse://stock/{sku}"}),
        json!({"type": "ref/prompt", "name": null, "uri": "warehouse+warehouse://stock/{sku}"}),
    ] {
        let refused = ask("completion/complete", json!({"ref": reference, "argument": argument})).await;
        let message = refused["error"]["message"].as_str().unwrap();
        let code = if message.starts_with("there is no resource `") { -32002 } else { -32602 };
        assert_eq!(refused["error"]["code"], code, "{refused}");
        assert!(message.starts_with("there is no "), "{refused}");
    }
    let calls = gateway.world.mcp.oracle().seen();
    let used = |text: &str| {
        ["resources/read", "resources/subscribe", "completion"].iter().any(|it| text.contains(it))
    };
    assert!(!calls.iter().any(|seen| used(&String::from_utf8_lossy(&seen.body))), "nothing arrived");
}

#[tokio::test]
async fn mistakes_in_rules_are_told() {
    let world = World::start(Clock::default()).await;
    let role = "            - when: arguments.table == 'x'\n              role: arn:aws:iam::123456789012:role/X\n          fallback:";
    let fallback = "          fallback:";
    for (edit, hint) in [
        (("", "authorization: {rules: ['argument.x == 1']}\n"), "nothing is called `argument` here"),
        (("", "authorization: {rules: ['arguments == 1']}\n"), "say which, as in arguments.table"),
        (("", "authorization: {rules: ['method.name == 1']}\n"), "`method` is a text"),
        (("", "authorization: {rules: ['resource.name == 1']}\n"), "there is resource.uri"),
        (("", "authorization: {rules: [{scopes: [a]}]}\n"), "the key `when` is missing"),
        (("", "authorization: {rules: [{when: 'true', scope: [a]}]}\n"), "did you mean `scopes`?"),
        (("", "authorization: {rules: [{when: 'true', scopes: ['a b']}]}\n"), "`a b` cannot be a scope"),
        ((fallback, role), "`arguments.table` is known to `authorization.rules` alone"),
    ] {
        let (from, to) = edit;
        let text = configuration(&world);
        let text = if from.is_empty() { text + to } else { text.replacen(from, to, 1) };
        let file = written(&text);
        let (code, out) = validate(file.path(), &[]).await;
        assert_eq!(code, 1, "{to}: {out}");
        assert!(out.contains(hint), "{to}: {out}");
    }
    let lists = "authorization: {rules: [\"method == 'tools/list'\"]}\n";
    let file = written(&(configuration(&world) + lists));
    let (code, out) = validate(file.path(), &[]).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("warning: no rule is asked about a list"), "{out}");
}

#[tokio::test]
async fn a_backend_of_which_nobody_may_use_anything_hears_and_says_nothing() {
    let (open, closed) = (Listening::default(), Listening::default());
    let servers = [
        Server::start(open.before(Everything::default().router())).await,
        Server::start(closed.before(Everything::default().router())).await,
    ];
    let gateway = Gateway::with(|text| {
        let (before, _) = text.split_once("  warehouse:\n").unwrap();
        let backends = [("open", mcp_at(&servers[0])), ("closed", mcp_at(&servers[1]))];
        let rules = "authorization:\n  rules:\n    - backend.name == 'open' && tool.name == 'test_simple_text'\n    \
                     - \"'admins' in claims.groups\"\n";
        before.to_owned() + &unsigned(&backends) + rules
    })
    .await;
    let discovered = message(&gateway.modern("bob", "server/discover", json!({})).await);
    assert!(!discovered["result"]["instructions"].to_string().contains("closed"), "{discovered}");
    let listed = message(&gateway.modern("bob", "tools/list", json!({})).await);
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["result"]["_meta"]["countersign/backends"], json!({"open": {"status": "ok"}}));
    for name in ["closed__test_simple_text", "closed__nothing"] {
        let call = called(name, &json!({}));
        let refused = message(&gateway.modern("bob", "tools/call", call).await);
        assert_eq!(refused["error"]["message"], format!("there is no tool `{name}`"));
    }
    let (session, _) = gateway.initialize("bob").await;
    let level = r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}"#;
    let set = gateway.in_session("bob", &session, Method::POST, level).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text());
    assert!(open.requests().len() > 3);
    // The gateway asks in its own name whether it is there.
    let asked = closed.requests();
    assert!(
        asked.iter().all(|request| !request.contains("tools/list") && !request.contains("setLevel")),
        "{asked:?}"
    );
    let for_admins = message(&gateway.modern("alice", "tools/list", json!({})).await);
    assert!(for_admins["result"]["tools"].to_string().contains("closed__"), "{for_admins}");
}
