//! Who sees which tools, and that nobody calls what they do not see.

use crate::gateway::{Gateway, configuration, mcp_at, message, unsigned, validate, written};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    mcp::{Listening, everything::Everything, modern_only, warehouse},
    world::{ADMIN, USER, World},
};
use http::Method;
use serde_json::{Value, json};

/// The warehouse twice: signed, and without any signature as `shop`, of which the configuration says `more`.
async fn twice(more: &str) -> (Gateway, Server, Listening) {
    let heard = Listening::default();
    let server = Server::start(heard.before(warehouse::router())).await;
    let shop = unsigned(&[("shop", mcp_at(&server))]);
    (Gateway::with(|text| text + &shop + more).await, server, heard)
}

async fn listed(gateway: &Gateway, who: &str) -> Vec<String> {
    let answer = message(&gateway.modern(who, "tools/list", json!({})).await);
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn call(gateway: &Gateway, who: &str, tool: &str) -> Value {
    let arguments = if tool.ends_with("drop_table") { json!({"table": "stock"}) } else { json!({}) };
    message(&gateway.modern(who, "tools/call", json!({"name": tool, "arguments": arguments})).await)
}

#[tokio::test]
async fn a_backend_may_be_for_reading_only() {
    let (gateway, _server, heard) = twice("    read_only: true\n").await;
    let tools = listed(&gateway, "alice").await;
    for (tool, there) in [
        ("shop__list_items", true),
        ("shop__add_item", false),
        ("shop__drop_table", false),
        ("warehouse__drop_table", true),
    ] {
        assert_eq!(tools.contains(&tool.to_owned()), there, "{tools:?}");
    }
    assert_eq!(call(&gateway, "bob", "shop__drop_table").await["error"]["code"], -32602);
    assert!(call(&gateway, "bob", "shop__list_items").await["result"]["content"].is_array());
    assert!(!heard.requests().iter().any(|request| request.contains("stock\"}")), "nothing was dropped");
}

#[tokio::test]
async fn tools_are_chosen_and_renamed_by_the_operator() {
    let view =
        "    tools: {allow: ['*_item*', whoami, /drop_.*/], deny: [drop_*], rename: {whoami: who-am-i}}\n";
    let (gateway, _server, heard) = twice(view).await;
    let tools = listed(&gateway, "bob").await;
    let of_shop: Vec<_> = tools.iter().filter(|tool| tool.starts_with("shop__")).collect();
    assert_eq!(of_shop, ["shop__add_item", "shop__list_items", "shop__read_item", "shop__who-am-i"]);
    let me = call(&gateway, "bob", "shop__who-am-i").await;
    assert_eq!(me["result"]["structuredContent"]["signed"], false, "{me}");
    for unseen in ["shop__whoami", "shop__drop_table"] {
        let refused = call(&gateway, "bob", unseen).await;
        assert_eq!(refused["error"]["message"], format!("there is no tool `{unseen}`"));
    }
    let called = heard.requests().into_iter().filter(|request| request.contains("tools/call"));
    assert!(called.into_iter().all(|request| request.contains("mcp-name: whoami\n")));
}

const OVERRIDES: &str = "    tools:
      overrides:
        test_custom_headers:
          description: Asks the region that the operator chose
          annotations: {title: Regional, readOnlyHint: true}
          arguments:
            region: {fixed: eu-central-1}
            priority: {default: 3}
";

#[tokio::test]
async fn the_operator_says_what_a_tool_is_and_what_it_is_called_with() {
    let heard = Listening::default();
    let server = Server::start(heard.before(modern_only(Everything::default().router()))).await;
    let all = unsigned(&[("all", mcp_at(&server))]);
    let gateway = Gateway::with(|text| text + &all + OVERRIDES).await;
    let answer = message(&gateway.modern("bob", "tools/list", json!({})).await);
    let tools = answer["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|tool| tool["name"] == "all__test_custom_headers").unwrap();
    assert_eq!(tool["description"], "Asks the region that the operator chose");
    assert_eq!(tool["annotations"], json!({"title": "Regional", "readOnlyHint": true}));
    let schema = &tool["inputSchema"];
    assert_eq!(schema["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["priority", "query"]);
    assert_eq!(schema["properties"]["priority"]["default"], 3);
    assert_eq!(schema["additionalProperties"], false, "the rest stays");
    assert!(answer["result"]["_meta"]["countersign/backends"]["all"]["notes"].is_null(), "{answer}");

    let (session, _) = gateway.initialize("bob").await;
    let call = async |arguments: Value, modern: bool| {
        let params = json!({"name": "all__test_custom_headers", "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        message(&match modern {
            true => gateway.modern("bob", "tools/call", params).await,
            false => gateway.in_session("bob", &session, Method::POST, &body.to_string()).await,
        })
    };
    for modern in [true, false] {
        let called = call(json!({}), modern).await;
        assert!(called["result"]["content"].is_array(), "{called}");
        let request = heard.requests().pop().unwrap();
        for part in
            ["mcp-param-region: eu-central-1\n", "mcp-param-priority: 3\n", r#""region":"eu-central-1""#]
        {
            assert!(request.contains(part), "{part}: {request}");
        }
        let before = heard.requests().len();
        let refused = call(json!({"region": "us-east-1"}), modern).await;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        let text = refused["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("`region` is set by the operator"), "{refused}");
        assert_eq!(heard.requests().len(), before, "the backend was not asked");
    }
    let own = call(json!({"priority": 7}), false).await;
    assert!(own["result"]["content"].is_array(), "{own}");
    assert!(heard.requests().pop().unwrap().contains("mcp-param-priority: 7\n"));
}

#[tokio::test]
async fn the_operators_word_on_what_a_tool_does_counts() {
    let view = "    read_only: true
    tools:
      overrides:
        add_item: {annotations: {readOnlyHint: true}}
        whoami: {annotations: {readOnlyHint: false}}
        list_items: {arguments: {nobody: {fixed: null}}}
";
    let (gateway, _server, _heard) = twice(view).await;
    let tools = listed(&gateway, "bob").await;
    let of_shop: Vec<_> = tools.iter().filter(|tool| tool.starts_with("shop__")).collect();
    assert_eq!(of_shop, ["shop__add_item", "shop__list_items", "shop__read_item"]);
    let item = json!({"sku": "Z-1", "name": "bell", "quantity": 1});
    let added = json!({"name": "shop__add_item", "arguments": item});
    let added = message(&gateway.modern("bob", "tools/call", added).await);
    assert_eq!(added["result"]["isError"], false, "{added}");
    assert_eq!(call(&gateway, "bob", "shop__whoami").await["error"]["code"], -32602);
    let answer = message(&gateway.modern("bob", "tools/list", json!({})).await);
    let notes = &answer["result"]["_meta"]["countersign/backends"]["shop"]["notes"];
    assert_eq!(notes, &json!(["`list_items` has no argument `nobody`, which is overridden"]));
}

#[tokio::test]
async fn rules_decide_who_sees_and_calls_what() {
    let rules = "authorization:
  rules:
    - \"'admins' in claims.groups\"
    - \"backend.name == 'shop' && tool.read_only\"
";
    let (gateway, _server, _heard) = twice(rules).await;
    assert_eq!(listed(&gateway, "alice").await.len(), 10);
    assert_eq!(listed(&gateway, "bob").await, ["shop__list_items", "shop__read_item", "shop__whoami"]);
    for (who, tool, may) in [
        ("alice", "shop__drop_table", true),
        ("alice", "warehouse__whoami", true),
        ("bob", "shop__whoami", true),
        ("bob", "shop__drop_table", false),
        ("bob", "warehouse__whoami", false),
    ] {
        let answer = call(&gateway, who, tool).await;
        assert_eq!(answer["result"].is_object(), may, "{who} {tool}: {answer}");
        if !may {
            assert_eq!(answer["error"]["message"], format!("there is no tool `{tool}`"));
        }
    }
    let resources = message(&gateway.modern("bob", "resources/list", json!({})).await);
    let resources = resources["result"]["resources"].as_array().unwrap().clone();
    assert_eq!(resources.len(), 1, "{resources:?}");
    let read = json!({"uri": "warehouse+warehouse://stock"});
    let read = message(&gateway.modern("bob", "resources/read", read).await);
    assert_eq!(read["error"]["code"], -32602, "{read}");
}

#[tokio::test]
async fn rules_about_roles_know_what_a_tool_does() {
    let by_effect = |text: String| {
        let rules = "            - claim: admins\n              role: ";
        let by_effect = format!("            - when: tool.read_only\n              role: {USER}\n{rules}");
        let text = text.replacen(rules, &by_effect, 1);
        assert!(text.contains("tool.read_only"), "{text}");
        text
    };
    let gateway = Gateway::with(by_effect).await;
    let role = |answer: Value| answer["result"]["structuredContent"]["role"].clone();
    // One backend, so names are its own.
    assert_eq!(role(call(&gateway, "alice", "whoami").await), USER);
    let dropped = call(&gateway, "alice", "drop_table").await;
    assert_eq!(dropped["result"]["isError"], false, "{dropped}");
    let roles: Vec<_> = gateway
        .world
        .mcp
        .oracle()
        .seen()
        .into_iter()
        .map(|seen| seen.principal().unwrap().role.clone())
        .collect();
    assert_eq!(roles.last().unwrap().as_deref(), Some(ADMIN));
    assert!(roles.iter().filter(|role| role.as_deref() == Some(USER)).count() >= 2, "{roles:?}");
}

#[tokio::test]
async fn mistakes_in_views_and_rules_are_told() {
    let world = World::start(Clock::default()).await;
    for (more, hint) in [
        ("    tools: {allow: ['/(/']}\n", "no regular expression"),
        ("    tools: {rename: {a: x, b: x}}\n", "there twice"),
        ("    tools: {alow: []}\n", "did you mean `allow`?"),
        ("    tools: {deny: [x], overrides: {x: {description: d}}}\n", "no client sees it"),
        ("    tools: {overrides: {x: {}}}\n", "overrides nothing"),
        ("    tools: {overrides: {x: {descripton: d}}}\n", "did you mean `description`?"),
        ("    tools: {overrides: {x: {annotations: {readOnly: true}}}}\n", "title, readOnlyHint"),
        (
            "    tools: {overrides: {x: {arguments: {a: {fixed: 1, default: 2}}}}}\n",
            "both `fixed` and `default`",
        ),
        ("    tools: {overrides: {x: {arguments: {a: {}}}}}\n", "neither `fixed` nor `default`"),
        ("    tools: {overrides: {x: {arguments: {a: {fixd: 1}}}}}\n", "did you mean `fixed`?"),
        ("    read_only: 7\n", "error"),
        ("authorization: {rules: []}\n", "without any rule"),
        ("authorization: {rules: ['nobody.knows']}\n", "nobody"),
    ] {
        let file = written(&(configuration(&world) + more));
        let (code, out) = validate(file.path(), &[]).await;
        assert_eq!(code, 1, "{more}: {out}");
        assert!(out.contains(hint), "{more}: {out}");
    }
}
