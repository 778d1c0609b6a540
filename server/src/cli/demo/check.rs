//! `countersign demo --check`: acts as every demo person, and holds what happens against what should.

use super::{
    broken::Break,
    client::{Client, Era, Refused},
    house::House,
    table::Table,
};
use crate::cli::Failure;
use countersign_fixtures::world::{ADMIN, USER, World};
use serde_json::{Value, json};
use std::{future::pending, process::ExitCode};

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

#[rustfmt::skip]
const ROWS: [Row; 9] = [
    Row { who: None, era: Era::Modern, asks: Ask::List, signer: None, answer: "401: sign in" },
    Row { who: Some("alice"), era: Era::Legacy, asks: Ask::List, signer: Some(ALICE), answer: "5 tools" },
    Row { who: Some("alice"), era: Era::Modern, asks: Ask::Call("whoami"), signer: Some(ALICE), answer: "McpAdmin" },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::List, signer: Some(BOB), answer: "5 tools" },
    Row { who: Some("bob"), era: Era::Legacy, asks: Ask::Call("whoami"), signer: Some(BOB), answer: "McpUser" },
    Row { who: Some("bob"), era: Era::Modern, asks: Ask::Call("drop_table"), signer: Some(BOB), answer: REFUSED },
    Row { who: Some("carol"), era: Era::Legacy, asks: Ask::Call("list_items"), signer: Some(CAROL), answer: "items" },
    Row { who: Some("carol"), era: Era::Legacy, asks: Ask::Call("drop_table"), signer: Some(CAROL), answer: REFUSED },
    Row { who: Some("alice"), era: Era::Legacy, asks: Ask::Call("drop_table"), signer: Some(ALICE), answer: "dropped" },
];

/// Prints a row for each, and exits with 0 only if all of them are as they should be.
pub(super) async fn run(house: House, broken: Option<Break>) -> Result<ExitCode, Failure> {
    let House { world, gateway } = house;
    let endpoint = gateway.endpoint();
    tokio::select! {
        served = gateway.serve(pending()) => served.map(|()| ExitCode::FAILURE),
        outcome = act(&world, &endpoint, broken) => Ok(outcome),
    }
}

async fn act(world: &World, endpoint: &str, broken: Option<Break>) -> ExitCode {
    let mut table = Table::new(["who", "era", "asks for", "signed as", "answer", ""]);
    let mut right = 0;
    for row in &ROWS {
        let token = row.who.map(|who| token(world, who, endpoint, broken));
        let client = Client::new(endpoint, row.era, token);
        let before = world.mcp.oracle().seen().len();
        let answer = row.asks.of(client).await.unwrap_or_else(|refused| refused.to_string());
        let signer = signer(world, before);
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
    println!("{table}\n{right} of {} rows are as declared", ROWS.len());
    if right == ROWS.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What somebody brings along after signing in.
fn token(world: &World, who: &str, endpoint: &str, broken: Option<Break>) -> String {
    let foreign = broken == Some(Break::Token) && who == "alice";
    let audience = if foreign { "https://elsewhere.example/mcp" } else { endpoint };
    world.idp.mint(who).audience(audience).token()
}

/// Role and session name of the last signature that the backend believed, among what arrived after the first `seen`.
fn signer(world: &World, seen: usize) -> Option<(String, String)> {
    let arrived = world.mcp.oracle().seen().into_iter().skip(seen).last()?;
    let principal = arrived.principal()?;
    Some((principal.role.clone()?, principal.session_name.clone()?))
}

impl Ask {
    async fn of(self, mut client: Client) -> Result<String, Refused> {
        client.open().await?;
        match self {
            Self::List => client.tools().await.map(|tools| format!("{} tools", tools.len())),
            Self::Call(tool) => client.call(tool, self.arguments()).await,
        }
    }

    fn arguments(self) -> Value {
        if self == Self::Call("drop_table") { json!({"table": "stock"}) } else { json!({}) }
    }

    fn name(self) -> &'static str {
        match self {
            Self::List => "the list of tools",
            Self::Call(tool) => tool,
        }
    }
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
