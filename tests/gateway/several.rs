//! Several backends are one: their names stay apart, their credentials too, and none disappears silently.

use crate::gateway::{Gateway, LEGACY, mcp_at, message, unsigned};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    mcp::{
        Listening, PATH,
        everything::Everything,
        misbehaving::{Fault, Misbehaving},
        warehouse,
    },
    world::{ADMIN, USER, World},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const STATUS: &str = "countersign/backends";

/// Asks in either era, and gives the result.
async fn ask(gateway: &Gateway, session: Option<&str>, method: &str, params: Value) -> Value {
    let answer = match session {
        Some(session) => {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            gateway.in_session("alice", session, Method::POST, &body.to_string()).await
        }
        None => gateway.modern("alice", method, params).await,
    };
    assert_eq!(answer.status, StatusCode::OK, "{method}: {}", answer.text());
    message(&answer)
}

fn names<'v>(answer: &'v Value, field: &str, key: &str) -> Vec<&'v str> {
    let list = answer["result"][field].as_array().unwrap_or_else(|| panic!("{answer}"));
    list.iter().map(|item| item[key].as_str().unwrap()).collect()
}

/// The gateway before the warehouse behind its oracle, an everything server, and another warehouse.
async fn three() -> (Gateway, [Server; 2], [Listening; 2]) {
    let heard = [Listening::default(), Listening::default()];
    let servers = [
        Server::start(heard[0].before(Everything::default().with_page_size(7).router())).await,
        Server::start(heard[1].before(warehouse::router())).await,
    ];
    let backends = [("all", mcp_at(&servers[0])), ("shop-2", mcp_at(&servers[1]))];
    (Gateway::with_backends(&backends).await, servers, heard)
}

#[tokio::test]
async fn what_any_of_them_has_is_there_in_both_eras() {
    let (gateway, _servers, _heard) = three().await;
    let (session, hello) = gateway.initialize("alice").await;
    let hello = &message(&hello)["result"];
    assert_eq!(hello["protocolVersion"], LEGACY);
    assert_eq!(hello["serverInfo"]["name"], "countersign");
    let discovered = gateway.modern("alice", "server/discover", json!({})).await;
    for hello in [hello, &message(&discovered)["result"]] {
        assert_eq!(hello["capabilities"]["tools"]["listChanged"], true, "{hello}");
        assert_eq!(hello["capabilities"]["resources"]["subscribe"], true, "{hello}");
        assert!(hello["capabilities"]["completions"].is_object(), "{hello}");
        assert!(hello["instructions"].as_str().unwrap().contains("warehouse: Look before"), "{hello}");
        for name in ["warehouse", "all", "shop-2"] {
            assert_eq!(hello["_meta"][STATUS][name]["status"], "ok", "{hello}");
        }
    }
    for session in [Some(session.as_str()), None] {
        let tools = ask(&gateway, session, "tools/list", json!({})).await;
        let listed = names(&tools, "tools", "name");
        assert!(listed.len() >= 45, "{listed:?}");
        assert_eq!(&listed[..2], ["warehouse__add_item", "warehouse__drop_table"]);
        assert!(listed.contains(&"all__test_simple_text") && listed.contains(&"shop-2__whoami"));
        assert_eq!(tools, ask(&gateway, session, "tools/list", json!({})).await, "always in the same order");
        assert_eq!(
            tools["result"]["resultType"],
            if session.is_some() { Value::Null } else { "complete".into() }
        );

        let prompts = ask(&gateway, session, "prompts/list", json!({})).await;
        assert!(names(&prompts, "prompts", "name").contains(&"all__test_simple_prompt"));
        let resources = ask(&gateway, session, "resources/list", json!({})).await;
        let resources = names(&resources, "resources", "uri");
        // The same address of two: the later one says whose it is.
        assert!(resources.contains(&"warehouse://stock") && resources.contains(&"shop-2+warehouse://stock"));
        let templates = ask(&gateway, session, "resources/templates/list", json!({})).await;
        assert!(names(&templates, "resourceTemplates", "uriTemplate").contains(&"test://template/{id}/data"));
    }
}

#[tokio::test]
async fn each_call_reaches_the_one_that_is_meant() {
    let (gateway, _servers, heard) = three().await;
    let (session, _) = gateway.initialize("alice").await;
    for session in [Some(session.as_str()), None] {
        let call = |name: &str| ask(&gateway, session, "tools/call", json!({"name": name, "arguments": {}}));
        let me = call("warehouse__whoami").await;
        assert_eq!(me["result"]["structuredContent"]["role"], ADMIN, "{me}");
        let nobody = call("shop-2__whoami").await;
        assert_eq!(nobody["result"]["structuredContent"]["signed"], false, "{nobody}");
        let prompt =
            json!({"name": "all__test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}});
        let prompt = ask(&gateway, session, "prompts/get", prompt).await;
        assert!(prompt["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("arg1='a'"));
        for uri in [
            "warehouse://stock",
            "shop-2+warehouse://stock",
            "test://static-text",
            "test://template/7/data",
            "shop-2+warehouse://stock/A-100",
        ] {
            let read = ask(&gateway, session, "resources/read", json!({"uri": uri})).await;
            assert!(read["result"]["contents"][0]["text"].is_string(), "{uri}: {read}");
        }
        let argument = json!({"name": "arg1", "value": "par"});
        for reference in [
            json!({"type": "ref/prompt", "name": "all__test_prompt_with_arguments"}),
            json!({"type": "ref/resource", "uri": "test://template/{id}/data"}),
        ] {
            let params = json!({"ref": reference, "argument": argument});
            let completed = ask(&gateway, session, "completion/complete", params).await;
            assert_eq!(completed["result"]["completion"]["values"][0], "paris", "{completed}");
        }
        for (method, params) in [
            ("tools/call", json!({"name": "whoami"})),
            ("tools/call", json!({"name": "nobody__whoami"})),
            ("prompts/get", json!({"name": "restock"})),
        ] {
            let unknown = ask(&gateway, session, method, params).await;
            assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
        }
        let unknown = ask(&gateway, session, "resources/read", json!({"uri": "nobody://has/it"})).await;
        let code = if session.is_some() { -32002 } else { -32602 };
        assert_eq!(unknown["error"]["code"], code, "{unknown}");
    }
    let named =
        heard[0].requests().iter().any(|request| request.contains("mcp-name: test_prompt_with_arguments\n"));
    assert!(named, "the header says what the body says");
}

#[tokio::test]
async fn only_the_backend_on_aws_sees_anything_of_aws_and_none_sees_the_callers_token() {
    let (gateway, _servers, heard) = three().await;
    let (session, _) = gateway.initialize("alice").await;
    for session in [Some(session.as_str()), None] {
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            ask(&gateway, session, method, json!({})).await;
        }
        for name in ["warehouse__whoami", "all__test_simple_text", "shop-2__list_items"] {
            ask(&gateway, session, "tools/call", json!({"name": name, "arguments": {}})).await;
        }
    }
    gateway.in_session("alice", &session, Method::DELETE, "").await;

    let seen = gateway.world.mcp.oracle().seen();
    for what in ["initialize", "notifications/initialized", "tools/list", "tools/call"] {
        let about = |body: &[u8]| String::from_utf8_lossy(body).contains(&format!("\"{what}\""));
        let signed = seen.iter().filter(|seen| about(&seen.body)).map(|seen| seen.principal());
        let roles: Vec<_> = signed.map(|principal| principal.unwrap().role.clone().unwrap()).collect();
        assert!(!roles.is_empty() && roles.iter().all(|role| role == ADMIN), "{what}: {roles:?}");
    }
    let credentials: Vec<String> = seen
        .iter()
        .flat_map(|seen| {
            ["x-amz-security-token", "authorization"].map(|name| seen.header(name).unwrap().to_owned())
        })
        .collect();
    // Every one of alice's tokens has the same start: header and who she is.
    let token = gateway.token("alice");
    let of_the_caller = token.rsplit_once('.').unwrap().0.split_once('.').unwrap().0.to_owned() + ".";
    for heard in &heard {
        let requests = heard.requests();
        assert!(requests.len() >= 10, "{}", requests.len());
        for request in requests {
            let lower = request.to_ascii_lowercase();
            for word in ["x-amz", "aws4-hmac", "authorization", "bearer", "x-amzn", "cookie", "asia"] {
                assert!(!lower.contains(word), "{word}: {request}");
            }
            assert!(!request.contains(&of_the_caller), "{request}");
            assert!(!credentials.iter().any(|secret| request.contains(secret)), "{request}");
        }
    }
    for seen in seen {
        let everything = format!("{:?} {}", seen.headers, String::from_utf8_lossy(&seen.body));
        assert!(!everything.contains(&of_the_caller), "{everything}");
    }
}

#[tokio::test]
async fn who_fails_is_told_and_the_others_are_there() {
    let misbehaving = Misbehaving::default();
    let server = Server::start(misbehaving.router()).await;
    let backends = [("bad", mcp_at(&server)), ("gone", format!("http://127.0.0.1:9{PATH}"))];
    let gateway = Gateway::with(|text| text + &unsigned(&backends) + "lists: {deadline_seconds: 1}\n").await;
    let (session, hello) = gateway.initialize("bob").await;
    assert_eq!(message(&hello)["result"]["_meta"][STATUS]["gone"]["status"], "failed");
    assert_eq!(message(&hello)["result"]["_meta"][STATUS]["bad"]["status"], "ok");
    for (fault, said) in [
        (Fault::Status(500), "failed"),
        (Fault::Slow(5000), "in time"),
        (Fault::Malformed, "did not answer"),
        (Fault::GarbageEvents, "did not answer"),
        (Fault::ForeignId, "did not answer"),
        (Fault::Error(200, json!({"code": -5, "message": "not today"})), "not today"),
    ] {
        misbehaving.faults().clear();
        misbehaving.faults().add("tools/list", fault.clone(), None);
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let in_session = gateway.in_session("bob", &session, Method::POST, list).await;
        for answer in [in_session, gateway.modern("bob", "tools/list", json!({})).await] {
            let answer = message(&answer);
            assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 5, "{fault:?}: {answer}");
            let status = &answer["result"]["_meta"][STATUS];
            assert_eq!(status["warehouse"]["status"], "ok", "{fault:?}: {answer}");
            assert_eq!(status["bad"]["status"], "failed", "{fault:?}: {answer}");
            assert!(status["bad"]["message"].as_str().unwrap().contains(said), "{fault:?}: {answer}");
            assert!(status["gone"]["message"].as_str().unwrap().contains("cannot be reached"), "{answer}");
        }
    }
    misbehaving.faults().clear();
    let answer = gateway.modern("bob", "tools/call", json!({"name": "gone__x", "arguments": {}})).await;
    assert_eq!(message(&answer)["error"]["data"]["backend"], "gone");
}

#[tokio::test]
async fn a_list_may_have_to_be_complete() {
    let backends = [("gone", format!("http://127.0.0.1:9{PATH}"))];
    let gateway = Gateway::with(|text| text + &unsigned(&backends) + "lists: {partial: fail}\n").await;
    let answer = message(&gateway.modern("bob", "tools/list", json!({})).await);
    assert_eq!(answer["error"]["data"]["backend"], "gone", "{answer}");
}

#[tokio::test]
async fn endless_lists_end_and_hostile_names_are_tamed() {
    let misbehaving = Misbehaving::default();
    let server = Server::start(misbehaving.router()).await;
    let gateway = Gateway::with_backends(&[("bad", mcp_at(&server))]).await;
    for (fault, note) in [(Fault::EndlessPages, "too long"), (Fault::SamePage, "same page")] {
        misbehaving.faults().add("tools/list", fault, None);
        let answer = message(&gateway.modern("bob", "tools/list", json!({})).await);
        let notes = answer["result"]["_meta"][STATUS]["bad"]["notes"].to_string();
        assert!(notes.contains(note), "{notes}");
        misbehaving.faults().clear();
    }
    misbehaving.faults().add("tools/list", Fault::InvalidHeaders, Some(1));
    let answer_about_headers = message(&gateway.modern("bob", "tools/list", json!({})).await);
    let of_bad = names(&answer_about_headers, "tools", "name");
    let of_bad: Vec<_> = of_bad.into_iter().filter(|name| name.starts_with("bad__")).collect();
    assert_eq!(of_bad, ["bad__good_tool"]);
    let notes = answer_about_headers["result"]["_meta"][STATUS]["bad"]["notes"].as_array().unwrap().len();
    assert_eq!(notes, 12, "{answer_about_headers}");
    misbehaving.faults().add("tools/list", Fault::HostileNames, None);
    let answer = message(&gateway.modern("bob", "tools/list", json!({})).await);
    let listed = names(&answer, "tools", "name");
    assert!(listed.contains(&"bad__good_tool") && listed.contains(&"bad__a__b__c"), "{listed:?}");
    for name in &listed {
        assert!(name.len() <= 64, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{name}");
    }
    let long = listed.iter().find(|name| name.starts_with("bad__xxx")).unwrap();
    let before = misbehaving.asked("tools/call");
    let called = gateway.modern("bob", "tools/call", json!({"name": long, "arguments": {}})).await;
    assert!(
        message(&called)["error"]["message"].as_str().unwrap().contains(&"x".repeat(200)),
        "{}",
        called.text()
    );
    assert_eq!(misbehaving.asked("tools/call"), before + 1);
}

#[tokio::test]
async fn without_prefixes_the_first_of_a_name_counts() {
    let server = Server::start(warehouse::router()).await;
    let backends = [("second", mcp_at(&server))];
    let gateway = Gateway::with(|text| text + &unsigned(&backends) + "naming: {prefix: none}\n").await;
    let answer = message(&gateway.modern("alice", "tools/list", json!({})).await);
    assert_eq!(names(&answer, "tools", "name").len(), 5);
    let notes = answer["result"]["_meta"][STATUS]["second"]["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 5, "{notes:?}");
    let me = message(&gateway.tool("alice", "whoami").await);
    assert_eq!(me["result"]["structuredContent"]["signed"], true, "{me}");
}

#[tokio::test]
async fn one_that_forgets_its_sessions_is_greeted_again() {
    let misbehaving = Misbehaving::default();
    let server = Server::start(misbehaving.router()).await;
    let gateway = Gateway::with_backends(&[("bad", mcp_at(&server))]).await;
    let (session, _) = gateway.initialize("alice").await;
    let call = || ask(&gateway, Some(&session), "tools/call", json!({"name": "bad__test_simple_text"}));
    assert!(call().await["result"]["content"].is_array());
    misbehaving.forget_sessions().await;
    assert!(call().await["result"]["content"].is_array());
    misbehaving.faults().add("tools/call", Fault::ForgetSessions, Some(1));
    assert!(call().await["result"]["content"].is_array());
    assert_eq!(misbehaving.asked("initialize"), 3);
}

#[tokio::test]
async fn a_session_outlives_the_process_that_opened_it() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff").unwrap();
    let server = Server::start(warehouse::router()).await;
    let sessions = format!("sessions: {{key: 'file:{}'}}\n", key.path().display());
    let more = unsigned(&[("second", mcp_at(&server))]) + &sessions;
    let mut gateway = Gateway::with(|text| text + &more).await;
    let (session, _) = gateway.initialize("alice").await;
    gateway.restart().await;
    let me = ask(&gateway, Some(&session), "tools/call", json!({"name": "warehouse__whoami"})).await;
    assert_eq!(me["result"]["structuredContent"]["role"], ADMIN, "{me}");
    // It is bound to who opened it, there as here.
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let other = gateway.in_session("bob", &session, Method::POST, list).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends() {
    let gateway = Gateway::with(|text| text + "sessions: {idle_seconds: 2}\n").await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let (used, _) = gateway.initialize("bob").await;
    let mut unused = Vec::new();
    let use_it = async || {
        let answer = gateway.in_session("bob", &used, Method::POST, list).await;
        assert_eq!(answer.status, StatusCode::OK);
    };
    for _ in 0..60 {
        unused.push(gateway.initialize("bob").await.0);
        use_it().await;
    }
    // Each of them is asked for once only, as that is a use. One that is used all the time outlives them.
    for session in unused {
        use_it().await;
        if gateway.in_session("bob", &session, Method::POST, list).await.status == StatusCode::NOT_FOUND {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("none of them has ended");
}

#[tokio::test]
async fn what_is_written_of_names_sessions_and_lists_is_checked() {
    let world = World::start(Clock::default()).await;
    assert_eq!(world.mcp.oracle().seen().len(), 0);
    for (more, hint) in [
        ("naming: {prefix: front}\n", "choose among: backend, none"),
        ("sessions: {key: hunter2hunter2}\n", "write env:NAME or file:PATH"),
        ("sessions: {key: 'env:NOBODY_SETS_THIS'}\n", "is not set"),
        ("sessions: {idle_seconds: 0}\n", "too little"),
        ("lists: {deadline_seconds: 0}\n", "too little"),
        ("lists: {partial: maybe}\n", "choose among: report, fail"),
        ("session: {}\n", "did you mean `sessions`?"),
    ] {
        let file = crate::gateway::written(&(crate::gateway::configuration(&world) + more));
        let (code, out) = crate::gateway::validate(file.path(), &[]).await;
        assert_eq!(code, 1, "{more}: {out}");
        assert!(out.contains(hint) && !out.contains("hunter2"), "{more}: {out}");
    }
    let twice = unsigned(&[("warehouse", world.mcp_url())]);
    let file = crate::gateway::written(&(crate::gateway::configuration(&world) + &twice));
    let (code, out) = crate::gateway::validate(file.path(), &[]).await;
    assert_eq!(code, 1, "{out}");
    assert!(USER.contains("McpUser"));
}
