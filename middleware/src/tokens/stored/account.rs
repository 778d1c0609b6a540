use crate::proof::Identity;
use serde_json::Value;
use std::sync::Arc;

/// One caller's account at one provider: what a store finds tokens by.
///
/// It is bound to the caller's issuer and subject, and to the client that the caller's token was issued to, so a lookup
/// by anybody else finds nothing.
///
/// ```
/// use countersign::tokens::Account;
///
/// let of_desktop = Account::new("https://login.example.com", "alice", Some("desktop"), "github");
/// let of_phone = Account::new("https://login.example.com", "alice", Some("phone"), "github");
/// assert_ne!(of_desktop, of_phone);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    issuer: Arc<str>,
    subject: Arc<str>,
    client: Option<Arc<str>>,
    provider: Arc<str>,
}

impl Account {
    /// The account of `subject`, as `issuer` vouches for them through `client`, at `provider`.
    pub fn new(
        issuer: impl Into<Arc<str>>,
        subject: impl Into<Arc<str>>,
        client: Option<&str>,
        provider: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            client: client.map(Into::into),
            provider: provider.into(),
        }
    }

    /// The account of `caller`. The client is the token's `client_id`, or its `azp`.
    pub fn of(caller: &Identity, provider: impl Into<Arc<str>>) -> Self {
        let client =
            ["client_id", "azp"].into_iter().find_map(|name| caller.claim(name).and_then(Value::as_str));
        Self::new(caller.issuer(), caller.subject(), client, provider)
    }

    /// Who vouches for the subject here.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who it is here.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Through which client they came here, where their token says so.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Where the account is.
    pub fn provider(&self) -> &str {
        &self.provider
    }
}
