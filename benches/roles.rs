//! Selecting a role: beside the evaluation of the same conditions by bare `cel`.
//!
//! `cargo bench --bench roles`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

use cel::{Context, Env, Program, Value as Cel};
use countersign::{
    BoxError,
    expression::{Expression, Facts},
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Authenticated, Carry},
    role::{Roles, RolesBuilder, Rule},
};
use countersign_benches::Contest;
use futures_util::FutureExt;
use http::{Extensions, Method, Request, Response};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, hint::black_box, sync::Arc};
use tower::{Layer, ServiceExt, service_fn};

fn main() {
    let alice = authenticated();
    for rules in [1, 10, 100] {
        // The caller is in the last group that is asked for, so that every rule is.
        let conditions: Vec<String> =
            (0..rules).map(|n| format!("'group-{}' in claims.groups", rules - 1 - n)).collect();
        contest(&format!("{rules} rules of the kind `'group' in claims.groups`"), &conditions, &alice);
    }
    let mixed: Vec<String> = (0..10)
        .map(|n| {
            format!("has(claims.team) && claims.team == 'team-{n}' && claims.email.endsWith('@example.com')")
        })
        .collect();
    contest("10 rules of the kind `has(claims.team) && …`", &mixed, &alice);
    by_claim(&alice);
}

/// All of them do the same: ask each condition in turn until one is true.
fn contest(title: &str, conditions: &[String], alice: &Authenticated) {
    let roles = conditions
        .iter()
        .map(|condition| Rule::when(Expression::compile(condition).expect("it compiles"), arn("Role")))
        .fold(Roles::builder(), RolesBuilder::rule)
        .with_fallback(arn("Fallback"))
        .build()
        .expect("they are complete");
    let environment = Arc::new(Env::stdlib());
    let programs: Vec<Program> =
        conditions.iter().map(|condition| environment.compile(condition).expect("it compiles")).collect();
    let claims = alice.identity().claims();
    let asked_once = context(&environment, claims);

    let medians = Contest::new(title)
        .entry("cel, the claims converted for each call", || {
            let context = context(&environment, black_box(claims));
            programs.iter().position(|program| program.execute(&context) == Ok(Cel::Bool(true)))
        })
        .entry("cel, the claims converted once for ever", || {
            programs.iter().position(|program| program.execute(&asked_once) == Ok(Cel::Bool(true)))
        })
        .entry("countersign, role and session name included", || {
            roles.select(&Facts::of(black_box(alice), &Method::POST)).expect("there is a role")
        })
        .run();
    if let [each, once, ours] = medians[..] {
        println!(
            "  {:.2} × and {:.2} × bare evaluation (goal: at most 1.2 ×)",
            ours.as_secs_f64() / each.as_secs_f64(),
            ours.as_secs_f64() / once.as_secs_f64()
        );
    }
}

fn by_claim(alice: &Authenticated) {
    let conditions = (0..100).rev().map(|n| format!("group-{n}"));
    let roles = conditions
        .map(|value| Rule::claim(value, arn("Role")))
        .fold(Roles::builder(), RolesBuilder::rule)
        .build()
        .expect("they are complete");
    Contest::new("100 rules of the kind `claim: group`")
        .entry("countersign", || {
            roles.select(&Facts::of(black_box(alice), &Method::POST)).expect("there is a role")
        })
        .run();
}

fn context<'a>(environment: &Arc<Env>, claims: &Map<String, Value>) -> Context<'a, 'a> {
    let mut context = Context::with_env(environment.clone());
    context.add_variable_from_value("claims", converted(&Value::Object(claims.clone())));
    context
}

fn converted(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(value) => Cel::Int(value.as_i64().unwrap_or_default()),
        Value::String(value) => Cel::String(Arc::new(value.clone())),
        Value::Array(values) => Cel::List(Arc::new(values.iter().map(converted).collect())),
        Value::Object(members) => {
            let members: HashMap<String, Cel> =
                members.iter().map(|(name, value)| (name.clone(), converted(value))).collect();
            members.into()
        }
    }
}

fn arn(name: &str) -> countersign::role::RoleArn {
    format!("arn:aws:iam::123456789012:role/{name}").parse().expect("it is an ARN")
}

/// Somebody in five groups, with the claims that a company's identity provider sends.
fn authenticated() -> Authenticated {
    let claims = json!({
        "iss": "https://login.example.com", "aud": "https://api.example.com", "sub": "alice", "iat": 1, "exp": 2,
        "jti": "0b5c7f0e-2f0f-4a52-9f3d-1d3f6c2a7e11", "scope": "openid profile mcp:read mcp:write",
        "email": "alice@example.com", "email_verified": true, "name": "Alice Example", "team": "team-9",
        "groups": ["everybody", "engineering", "oncall", "warehouse-readers", "group-0"],
        "client_id": "8d3c2c70-3c1c-4c1d-a3cf-6d3a34f0b9be", "tid": "5f0c1a34-76d0-4b6e-8f57-7d3c0a0e2b19",
    });
    let identity = TrustedIdentity::new("https://login.example.com", "alice")
        .with_claims(claims.as_object().cloned().unwrap_or_default());
    let proof = service_fn(async |request: Request<Carry<Authenticated, ()>>| {
        Ok::<_, BoxError>(Response::new(request.body().proof().clone()))
    });
    let trusting = TrustIdentityLayer::new(move |_: &Extensions| Some(identity.clone())).layer(proof);
    let answer = trusting.oneshot(Request::new(())).now_or_never().expect("nothing waits");
    answer.expect("alice is let in").into_body()
}
