//! `countersign revoke`: ends sign-ins on every replica.

use super::{
    Failure,
    inbox::{Answer, Order},
    order::give,
};
use crate::issuer::{Ended, Whose};
use clap::Args;
use std::path::PathBuf;

/// End sign-ins at once, on every replica: access tokens, refresh tokens, connected accounts, kept credentials
///
/// What AWS has issued stays good there until it ends. Where the store is a file, the server that has it open is asked.
///
/// Example: countersign revoke -c gateway.yaml --subject alice
#[derive(Args)]
#[command(group(clap::ArgGroup::new("whose").required(true)))]
pub(super) struct Revoke {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Of this person, by the `sub` of their tokens
    #[arg(long, value_name = "SUB", group = "whose")]
    subject: Option<String>,
    /// Of everybody, through this client
    #[arg(long, value_name = "ID", group = "whose")]
    client: Option<String>,
    /// Of everybody
    #[arg(long, group = "whose")]
    all: bool,
}

impl Revoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let whose = match (self.subject, self.client) {
            (Some(subject), _) => Whose::Person(subject),
            (None, Some(client)) => Whose::Client(client),
            (None, None) => Whose::Everybodys,
        };
        if let Answer::Ended(Ended { sign_ins, codes, accounts }) = give(Order::End(whose), &self.config)? {
            println!("ended: {sign_ins} sign-ins, {codes} codes, {accounts} connected accounts");
        }
        Ok(())
    }
}
