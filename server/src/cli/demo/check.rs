//! `countersign demo --check`: acts as every demo person, and holds what happens against what should.

use super::{
    broken::Break,
    client::{Client, Era, Refused},
    house::House,
    sign_in,
    table::Table,
};
use crate::{cli::Failure, config::resolved::ENDPOINT};
use countersign_fixtures::{
    oracle::{OracleServer, Seen},
    world::{ADMIN, USER, World},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    process::ExitCode,
};

/// One thing that somebody asks for, and what has to come of it.
struct Row {
    who: Option<&'static str>,
    era: Era,
    asks: Ask,
    /// Role and session name of the signature that arrives at the backend, if one does.
    signer: Option<(&'static str, &'static str)>,
    /// What the answer has to contain.
    answer: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    List,
    Call(&'static str),
}

const ALICE: (&str, &str) = (ADMIN, "alice@example.com");
const BOB: (&str, &str) = (USER, "bob@example.com");
const CAROL: (&str, &str) = (USER, "carol@example.com");
const REFUSED: &str = "does not let your role do this";
const NO_ROLE: &str = "no rule gives you a role";

#[rustfmt::skip]
const ROWS: [Row; 12] = [
    Row { who: None, era: Era::Modern, asks: Ask::List, signer: None, answer: "401: sign in" },
    Row { who: Some("alice"), era: Era::Legacy, asks: Ask::List, signer: Some(ALICE), answer: "archive 5, warehouse 5, workshop" },
    Row { who: Some("alice"), era: Era::Modern, asks: Ask::Call("warehouse__whoami"), signer: Some(ALICE), answer: "McpAdmin" },
    Row { who: Some("alice"), era: Era::Modern, asks: Ask::Call("archive__list_items"), signer: Some(ALICE), answer: "items" },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::List, signer: Some(BOB), answer: "warehouse 5, workshop" },
    Row { who: Some("bob"), era: Era::Legacy, asks: Ask::Call("warehouse__whoami"), signer: Some(BOB), answer: "McpUser" },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::Call("warehouse__drop_table"), signer: Some(BOB), answer: REFUSED },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::Call("archive__list_items"), signer: None, answer: NO_ROLE },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::Call("workshop__test_simple_text"), signer: None, answer: "simple text" },
    Row { who: Some("carol"), era: Era::Legacy, asks: Ask::Call("warehouse__list_items"), signer: Some(CAROL), answer: "items" },
    Row { who: Some("carol"), era: Era::Legacy, asks: Ask::Call("warehouse__drop_table"), signer: Some(CAROL), answer: REFUSED },
    Row { who: Some("alice"), era: Era::Legacy, asks: Ask::Call("warehouse__drop_table"), signer: Some(ALICE), answer: "dropped" },
];

/// Prints a row for each, and exits with 0 only if all of them are as they should be.
pub(super) async fn run(house: House, broken: Option<Break>) -> Result<ExitCode, Failure> {
    let House { world, archive, gateway, _workshop } = house;
    let endpoint = gateway.endpoint();
    tokio::select! {
        served = Box::pin(gateway.serve(pending())) => served.map(|()| ExitCode::FAILURE),
        outcome = Box::pin(act(&world, &archive, &endpoint, broken)) => outcome,
    }
}

async fn act(
    world: &World,
    archive: &OracleServer,
    endpoint: &str,
    broken: Option<Break>,
) -> Result<ExitCode, Failure> {
    let mut tokens = HashMap::new();
    for who in ["alice", "bob", "carol"] {
        let token = token(world, who, endpoint, broken).await;
        tokens.insert(who, token.map_err(|problem| Failure::fault(problem, "signing in"))?);
    }
    let mut table = Table::new(["who", "era", "asks for", "signed as", "answer", ""]);
    let mut right = 0;
    for row in &ROWS {
        let client = Client::new(endpoint, row.era, row.who.and_then(|who| tokens.get(who).cloned()));
        let before = (world.mcp.oracle().seen().len(), archive.oracle().seen().len());
        let answer = row.asks.of(client).await.unwrap_or_else(|refused| refused.to_string());
        let warehouse = world.mcp.oracle().seen().into_iter().skip(before.0);
        let archived = archive.oracle().seen().into_iter().skip(before.1);
        let signer = signer(archived.chain(warehouse).last());
        let declared = row.signer.map(|(role, session)| (role.to_owned(), session.to_owned()));
        let good = answer.contains(row.answer) && signer == declared;
        right += usize::from(good);
        table.add([
            row.who.unwrap_or("nobody").to_owned(),
            row.era.name().to_owned(),
            row.asks.name().to_owned(),
            signer.map_or_else(|| "—".to_owned(), |(role, session)| format!("{} as {session}", short(&role))),
            shown(&answer),
            if good { "ok".to_owned() } else { "NOT AS DECLARED".to_owned() },
        ]);
    }
    let arrived = world.mcp.oracle().seen().into_iter().chain(archive.oracle().seen());
    let strangers = arrived.filter(|seen| seen.principal().is_none()).count();
    println!("{table}\n{right} of {} rows are as declared", ROWS.len());
    if strangers > 0 && broken.is_none() {
        println!("{strangers} requests arrived without a good signature");
        return Ok(ExitCode::FAILURE);
    }
    Ok(if right == ROWS.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What somebody brings along after signing in.
async fn token(world: &World, who: &str, endpoint: &str, broken: Option<Break>) -> Result<String, String> {
    if broken == Some(Break::Token) && who == "alice" {
        return Ok(world.idp.mint(who).audience(endpoint).token());
    }
    sign_in::token(endpoint.trim_end_matches(ENDPOINT), who).await
}

/// Role and session name of a signature that was believed.
fn signer(arrived: Option<Seen>) -> Option<(String, String)> {
    let principal = arrived?.principal()?.clone();
    Some((principal.role?, principal.session_name?))
}

impl Ask {
    async fn of(self, mut client: Client) -> Result<String, Refused> {
        client.open().await?;
        match self {
            Self::List => client.tools().await.map(|tools| counted(&tools)),
            Self::Call(tool) => client.call(tool, self.arguments()).await,
        }
    }

    fn arguments(self) -> Value {
        if self == Self::Call("warehouse__drop_table") { json!({"table": "stock"}) } else { json!({}) }
    }

    fn name(self) -> &'static str {
        match self {
            Self::List => "the list of tools",
            Self::Call(tool) => tool,
        }
    }
}

/// How many tools each backend has.
fn counted(tools: &[String]) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for tool in tools {
        *counts.entry(tool.split("__").next().unwrap_or_default()).or_default() += 1;
    }
    let counts = counts.into_iter().map(|(backend, count)| format!("{backend} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn short(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

/// Enough of an answer to recognise it.
fn shown(answer: &str) -> String {
    const ENOUGH: usize = 84;
    let line = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= ENOUGH { line } else { line.chars().take(ENOUGH - 1).chain(['…']).collect() }
}
