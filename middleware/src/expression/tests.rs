use super::*;
use crate::proof::{Operation, Tool};
use serde_json::{Value, json};

fn caller(claims: Value) -> Supposed {
    let mut all = json!({"iss": "https://i", "sub": "alice"});
    let Value::Object(claims) = claims else { unreachable!() };
    all.as_object_mut().unwrap().extend(claims);
    Supposed::from_claims(all.as_object().unwrap().clone()).unwrap()
}

fn says(source: &str, caller: &Supposed) -> Result<bool, String> {
    let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    expression.is_true(&caller.facts()).map_err(|error| error.to_string())
}

fn refused(source: &str) -> String {
    match Expression::compile(source) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn everything_that_is_proven_can_be_looked_at() {
    let github = json!({"login": "octo", "orgs": ["acme"]}).as_object().unwrap().clone();
    let alice = caller(json!({
        "groups": ["admins", "staff"], "email": "alice@example.com", "level": 3, "score": 0.5, "big": u64::MAX,
        "active": true, "nothing": null, "realm": {"roles": ["r1"], "a.b": 1}, "https://e.example/groups": ["g"],
        "realm.roles": ["other"], "mixed": [7, null, ["x"]], "act": {"sub": "agent", "iss": "https://a", "act": {"sub": "host"}},
    }))
    .about(Operation::on("warehouse").calling(Tool::named("query").read_only()))
    .with_upstream([("github".to_owned(), github)])
    .with_method(http::Method::GET);
    for source in [
        "'admins' in claims.groups",
        "claims.groups.exists(group, group.startsWith('adm')) && size(claims.groups) == 2",
        "claims.groups == ['admins', 'staff'] && ['admins', 'staff'] == claims.groups",
        "claims.realm == {'roles': ['r1'], 'a.b': 1} && {'roles': ['r1'], 'a.b': 1} == claims.realm",
        "claims['email'].endsWith('@example.com') && claims.email.matches('^[a-z]+@') && matches(claims.email, 'e$') == false",
        "claims.level >= 3 && claims.score < 1 && claims.big > 1 && claims.active && claims.nothing == null",
        "'r1' in claims.realm.roles && 'r1' in claims['realm']['roles'] && 'other' in claims['realm.roles']",
        "'g' in claims['https://e.example/groups'] && claims.realm['a.b'] == 1",
        "has(claims.email) && !has(claims.phone) && !has(claims.realm.x) && 'email' in claims && !('x' in claims)",
        "actor[0].sub == 'agent' && actor[0].iss == 'https://a' && !has(actor[1].iss) && size(actor) == 2",
        "actor.exists(a, a.sub == 'host')",
        "upstream.github.claims.login == 'octo' && 'acme' in upstream['github'].claims.orgs && 'github' in upstream",
        "has(upstream.github) && !has(upstream.gitlab) && has(upstream.github.claims.login)",
        "backend.name == 'warehouse' && tool.name == 'query' && tool.read_only && !tool.destructive && has(tool.name)",
        "request.method == 'GET' && type(claims.level) == int && string(claims.level) == '3'",
        "claims.groups.filter(g, g != 'staff') == ['admins'] && claims.groups.map(g, size(g)) == [6, 5]",
        "'admins' in claims.groups && 7 in claims.mixed && 7.0 in claims.mixed && ['x'] in claims.mixed && !('y' in claims.mixed)",
        "'roles' in claims.realm && claims.groups[0] == 'admins' && claims['realm'].roles[0] == 'r1' && [claims.level][0] == 3",
        "claims.level > 5 ? tool.destructive : tool.read_only",
        "claims.groups.exists(g, g in claims.groups) && claims[request.method == 'GET' ? 'active' : 'x']",
        "('ü' + claims.email).matches(r'^ü\\w+@')",
    ] {
        assert_eq!(says(source, &alice), Ok(true), "{source}");
    }
}

#[test]
fn a_call_that_nobody_described_runs_no_tool() {
    let nobody = caller(json!({}));
    assert_eq!(says("tool.name == '' && tool.read_only && !tool.destructive", &nobody), Ok(true));
    assert_eq!(says("backend.name == '' && request.method == 'POST' && size(actor) == 0", &nobody), Ok(true));
}

#[test]
fn behind_in_what_is_absent_is_empty_and_elsewhere_it_is_an_error() {
    let nobody = caller(json!({"realm": {}, "name": "realm"}));
    for source in [
        "'admins' in claims.groups",
        "'admins' in claims['groups']",
        "'admins' in claims.a.b.c",
        "'admins' in claims.realm.roles",
        "'admins' in upstream['github'].claims.orgs",
        "'admins' in claims[claims.name].roles",
        "'admins' in claims[tool.name]",
        "claims.name.exists_one(x, 'admins' in claims.groups)",
    ] {
        let said = says(source, &nobody);
        if source.contains("exists_one") {
            assert!(said.is_err(), "a text is no list");
        } else {
            assert_eq!(said, Ok(false), "{source}");
        }
    }
    let missing = Err("something that it asks for is missing; ask with has() first".to_owned());
    for source in [
        "claims.email == 'a'",
        "claims.team in ['a']",
        "claims.realm.roles == []",
        "upstream.github.claims.login == 'octo'",
        "has(claims.a.b)",
        "claims.email == 'a' && tool.read_only",
    ] {
        assert_eq!(says(source, &nobody), missing, "{source}");
    }
    assert!(says("actor[0].sub == 'a'", &nobody).is_err());
}

#[test]
fn a_type_that_surprises_is_an_error_without_the_claim() {
    let odd = caller(json!({"groups": "hidden", "level": "hidden", "email": ["hidden"], "realm": "hidden"}));
    for source in [
        "'admins' in claims.groups",
        "claims.level > 3",
        "claims.email.startsWith('a')",
        "claims.email.matches('a')",
        "claims.level",
        "!claims.level",
        "claims.realm.x == 1",
        "claims.groups.exists(g, g == 'a')",
        "claims.level + 1 > 2",
        "claims[claims.email] == 1",
        "int(claims.level) > 1",
        "1 / (1 - 1) == size(claims.groups)",
    ] {
        let said = says(source, &odd);
        assert!(said.as_ref().is_err_and(|error| !error.contains("hidden")), "{source}: {said:?}");
    }
}

#[test]
fn mistakes_are_found_when_it_is_compiled() {
    for (source, problem) in [
        ("groups.exists(g, true)", "nothing is called `groups` here (line 1, column 1)"),
        ("has(claim.x)", "nothing is called `claim` here (line 1, column 5)"),
        (".claims.x == 1", "nothing is called `.claims` here (line 1, column 2)"),
        ("'ü' == claims.x &&\n  nobody == 1", "nothing is called `nobody` here (line 2, column 3)"),
        (
            "tool.readonly",
            "there is tool.name, tool.read_only, tool.destructive and no more of `tool` (line 1, column 1)",
        ),
        (
            "has(tool.x)",
            "there is tool.name, tool.read_only, tool.destructive and no more of `tool` (line 1, column 5)",
        ),
        ("request == 'GET'", "there is request.method and no more of `request` (line 1, column 1)"),
        ("claims == {}", "`claims` are all of them; say which, as in claims.email (line 1, column 1)"),
        ("upstream.github.login == 'a'", "a provider has `claims` and no `login` (line 1, column 1)"),
        (
            "upstream.github == {}",
            "say which of a provider's claims, as in upstream['github'].claims.login (line 1, column 1)",
        ),
        ("fetch('x')", "there is no function `fetch` here (line 1, column 6)"),
        ("claims.x.lower() == 'a'", "there is no function `lower` here (line 1, column 15)"),
        (
            "claims.a.matches(claims.b)",
            "a pattern is written out: nobody's claim may become one (line 1, column 24)",
        ),
        ("claims.a.matches('(')", "this is no regular expression (line 1, column 18)"),
        ("claims.a.matches('(a{1000}){1000}')", "this pattern is too large (line 1, column 18)"),
        ("claims.a.matches()", "`matches` takes a text and a pattern (line 1, column 17)"),
        (
            "claims.a.exists(x, claims.b.exists(y, x == y))",
            "a loop inside a loop may take too long (line 1, column 35)",
        ),
        (
            "claims.a.filter(x, true).exists(x, true)",
            "a loop inside a loop may take too long (line 1, column 16)",
        ),
        (
            "claims.a.exists(tool, true)",
            "`tool` is taken; call the loop's variable otherwise (line 1, column 16)",
        ),
        ("claims.x{a: 1} == 1", "there are no messages here (line 1, column 9)"),
        ("claims.?x == 1", "it is no expression: unsupported syntax '.?' (line 1, column 7)"),
        ("'ü' == claims.x claims.y", "`claims` is not expected here (line 1, column 17)"),
        ("claims.a ==", "it ends too early (line 1"),
        ("", "it ends too early (line 1"),
        ("claims.a claims.b", "`claims` is not expected here (line 1, column 10)"),
    ] {
        let refused = refused(source);
        assert!(refused.starts_with(problem), "{source}: {refused}");
    }
}

#[test]
fn what_can_answer_on_no_claims_is_found_when_it_is_compiled() {
    for (source, problem) in [
        ("tool.name", "it says string where bool is expected (line 1, column 5)"),
        ("size(claims.groups)", "it says int where bool is expected"),
        ("'a' in claims.groups || tool.name", "it says string where bool is expected (line 1, column 29)"),
        ("tool.read_only ? claims.x == 1 : 'no'", "it says string where bool is expected"),
        ("tool.name > 3", "`>` does not go with (string, int)"),
        ("claims.a == 1 && tool.name + 1 == 2", "`add` does not go with values of these types"),
        ("claims.level + 'a' > 3", "`>` does not go with (string, int)"),
        ("!tool.name", "it says string where bool is expected (line 1, column 6)"),
        ("tool.read_only.startsWith('a')", "`startsWith` does not go with (bool, string)"),
        ("has(tool.name.x)", "`.` does not go with"),
        ("'a' in tool.name", "`in` does not go with (string, string)"),
        ("true && 1", "it says int where bool is expected"),
    ] {
        let refused = refused(source);
        assert!(refused.starts_with(problem), "{source}: {refused}");
    }
    for source in [
        "claims.admin",
        "claims.a + claims.b == 'x' || claims.c * 1.5 > claims.d",
        "claims.roles.exists(r, r.name == 'x' && r.level > 2)",
        "claims.matrix[0][1] == 2",
        "int(claims.level) > 3",
        "claims.a > claims.b && claims.c < claims.d && claims.a + claims.b + claims.c + claims.d == 4",
        "claims.realm.roles == ['a'] || claims.realm == {}",
    ] {
        assert_eq!(refused(source), "accepted", "{source}");
    }
}

#[test]
fn texts_come_from_claims() {
    let alice = caller(json!({"team": "data", "n": 7, "nothing": null}));
    let text = |source: &str| TextExpression::compile(source).unwrap().text(&alice.facts());
    assert_eq!(text("claims.team").unwrap().as_deref(), Some("data"));
    assert_eq!(text("'fixed'").unwrap().as_deref(), Some("fixed"));
    assert_eq!(text("has(claims.x) ? claims.x : 'none'").unwrap().as_deref(), Some("none"));
    assert_eq!(text("string(claims.n)").unwrap().as_deref(), Some("7"));
    assert_eq!(text("claims.x"), Ok(None));
    assert_eq!(text("'x' + claims.x"), Ok(None));
    assert_eq!(text("claims.nothing"), Ok(None));
    assert!(text("claims.n").is_err());
    let error = TextExpression::compile("tool.read_only").unwrap_err();
    assert_eq!(error.to_string(), "it says bool where string is expected (line 1, column 5)");
}

#[test]
fn what_it_looks_at_and_always_says_is_known() {
    let expression = Expression::compile(
        "'a' in claims.groups && claims['email'] == 'x' && has(claims.team.name) && tool.read_only \
         || actor[0].sub == 'a' || upstream.github.claims.login == 'b' || 'c' in claims",
    )
    .unwrap();
    let references: Vec<_> = expression.references().iter().map(String::as_str).collect();
    let expected = [
        "actor",
        "claims",
        "claims.email",
        "claims.groups",
        "claims.team",
        "tool.read_only",
        "upstream.github.claims.login",
    ];
    assert_eq!(references, expected);
    for (source, constant) in
        [("true", Some(true)), ("1 == 2", Some(false)), ("tool.read_only", None), ("true || claims.a", None)]
    {
        assert_eq!(Expression::compile(source).unwrap().constant(), constant, "{source}");
    }
}

#[test]
fn the_broader_of_two_is_told_by_their_forms() {
    for (broad, narrow, covers) in [
        ("claims.a", " claims.a // the same", true),
        ("claims.a", "claims.a && claims.b", true),
        ("claims.a && claims.b", "claims.a", false),
        ("claims.a || claims.b", "claims.b", true),
        ("claims.b", "claims.a || claims.b", false),
        ("claims.a || claims.b", "claims.b && claims.c || claims.a", true),
        ("claims.a && claims.b", "claims.b && claims.c && claims.a", true),
        ("1 == 1", "claims.a", true),
        ("claims.a", "false", true),
        ("'x' in claims.a", "'x' in claims.a && tool.read_only", true),
        ("claims.a.matches('x')", "claims.a.matches('y')", false),
        ("claims.a.matches('x')", "matches(claims.a, 'x')", true),
        ("claims.a == 1", "claims.a == 2", false),
    ] {
        let [broad, narrow] = [broad, narrow].map(|source| Expression::compile(source).unwrap());
        assert_eq!(broad.covers(&narrow), covers, "{broad} / {narrow}");
    }
}

#[test]
fn nothing_prints_claims() {
    let alice = caller(json!({"groups": ["hidden"]}));
    let facts = alice.facts();
    let expression = Expression::compile("'a' in claims.groups").unwrap();
    assert!(!expression.is_true(&facts).unwrap());
    let printed = format!("{facts:?} {alice:?} {:?} {expression:?}", facts.claims);
    assert!(!printed.contains("hidden") && printed.contains("alice"), "{printed}");
}
