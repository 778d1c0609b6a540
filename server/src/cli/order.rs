//! What is asked of a gateway from the command line: of its store, or of the server that has it open.

use super::{
    Failure,
    gateway::cannot_keep,
    inbox::{Answer, Inbox, Order},
};
use crate::{
    config::{self, resolved::own_address, store::Medium},
    issuer::AuthorizationServer,
    store::{Kind, Store},
};
use countersign::clock::SystemClock;
use std::{path::Path, sync::Arc};

/// Has `order` carried out at the gateway that a configuration describes.
pub(super) fn give(order: Order, path: &Path) -> Result<Answer, Failure> {
    let (config, _) = config::load(path).map_err(Failure::configuration)?;
    let place = || path.display().to_string();
    let (Some(server), Some(settings)) = (config.authorization_server, config.store) else {
        let what = "nobody signs in at this gateway";
        return Err(Failure::usage(what, place(), "do it at the identity provider"));
    };
    if matches!(settings.medium, Medium::Memory) {
        let what = "this gateway keeps everything in its own memory, which nobody else reaches";
        return Err(Failure::usage(
            what,
            place(),
            "start it anew, which ends everything; or give it a `store`",
        ));
    }
    let issuer = config.public_url.as_ref().map(own_address);
    let answer = super::runtime()?.block_on(async {
        let inbox = Inbox::beside(&settings);
        let store = match (Store::described(settings).await, inbox) {
            (Err(error), Some(inbox)) if error.kind() == Kind::InUse => return inbox.ask(&order).await,
            (Err(error), _) => return Err(cannot_keep(&error)),
            (Ok(store), _) => store,
        };
        let issuer = issuer.ok_or_else(|| {
            let what = "nothing says under which address this gateway signs people in";
            Failure::usage(what, place(), "add `public_url:`, or ask while the gateway runs")
        })?;
        let server = AuthorizationServer::open(server, &store, &issuer, &issuer, Arc::new(SystemClock)).await;
        let server =
            server.map_err(|fault| Failure::usage(fault.to_string(), "store", "look at the store"))?;
        let answer = order.carry_out(&server).await;
        store.close().await;
        Ok(answer)
    })?;
    match answer {
        Answer::Failed(what) => Err(Failure::usage(what, "the store", "try again: what was done stays done")),
        done @ (Answer::Ended(_) | Answer::Rotated(_)) => Ok(done),
    }
}
