//! `countersign revoke`: ends sign-ins on every replica.

use super::{
    Failure,
    gateway::cannot_keep,
    inbox::{Answer, Inbox, done},
};
use crate::{
    config,
    issuer::{AuthorizationServer, Whose},
    store::{Kind, Store},
};
use clap::Args;
use countersign::clock::SystemClock;
use std::{path::PathBuf, sync::Arc};

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
        let (config, _) = config::load(&self.config).map_err(Failure::configuration)?;
        let place = || self.config.display().to_string();
        let (Some(server), Some(settings)) = (config.authorization_server, config.store) else {
            let what = "nobody signs in at this gateway, so there is nothing to end";
            return Err(Failure::usage(what, place(), "end it at the identity provider"));
        };
        if matches!(settings.medium, config::store::Medium::Memory) {
            let what = "this gateway keeps everything in its own memory, which nobody else reaches";
            return Err(Failure::usage(
                what,
                place(),
                "start it anew, which ends everything; or give it a `store`",
            ));
        }
        let issuer = config.public_url.as_ref().map(config::resolved::own_address);
        let answer = super::runtime()?.block_on(async {
            let inbox = Inbox::beside(&settings);
            let store = match (Store::described(settings).await, inbox) {
                (Err(error), Some(inbox)) if error.kind() == Kind::InUse => return inbox.ask(&whose).await,
                (Err(error), _) => return Err(cannot_keep(&error)),
                (Ok(store), _) => store,
            };
            let issuer = issuer.ok_or_else(|| {
                let what = "nothing says under which address this gateway signs people in";
                Failure::usage(what, place(), "add `public_url:`, or ask while the gateway runs")
            })?;
            let server =
                AuthorizationServer::open(server, &store, &issuer, &issuer, Arc::new(SystemClock)).await;
            let server =
                server.map_err(|fault| Failure::usage(fault.to_string(), "store", "look at the store"))?;
            let answer = done(server.revocations().revoke(whose).await);
            store.close().await;
            Ok(answer)
        })?;
        match answer {
            Answer::Done { sign_ins, codes, accounts } => {
                println!("ended: {sign_ins} sign-ins, {codes} codes, {accounts} connected accounts");
                Ok(())
            }
            Answer::Failed(what) => {
                Err(Failure::usage(what, "the store", "try again: what was ended stays ended"))
            }
        }
    }
}
