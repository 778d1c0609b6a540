//! Who makes tokens for STS: decided by a configuration, and there once the authorization server is open.

use countersign::{
    Kind,
    sts::{MintOrder, Refusal, TokenMinter},
};
use secrecy::SecretString;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The place of whoever does. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Minting(Arc<OnceLock<Box<Mint>>>);

type Mint = dyn Fn(&MintOrder) -> Result<SecretString, Refusal> + Send + Sync;

impl Minting {
    /// From now on `mint` does it. Whoever was there first stays.
    pub(crate) fn is_done_by(
        &self,
        mint: impl Fn(&MintOrder) -> Result<SecretString, Refusal> + Send + Sync + 'static,
    ) {
        // Each place is filled by one server, once.
        let _ = self.0.set(Box::new(mint));
    }
}

impl TokenMinter for Minting {
    fn issuer(&self) -> &str {
        // There is one in a configuration.
        "this gateway's authorization server"
    }

    async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
        let nobody = || Refusal::new(Kind::StsUnavailable, "the authorization server is not open yet");
        self.0.get().ok_or_else(nobody)?(&order)
    }
}

impl fmt::Debug for Minting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minting").field("is_done", &self.0.get().is_some()).finish()
    }
}
