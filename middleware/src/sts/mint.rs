use super::refusal::Refusal;
use crate::proof::Identity;
use secrecy::SecretString;
use std::{fmt, pin::Pin, sync::Arc};

/// Makes tokens for STS: an authorization server does, with a key and under an issuer of their own.
///
/// ```
/// use countersign::sts::{MintOrder, Refusal, Session, TokenMinter};
/// use secrecy::SecretString;
///
/// #[derive(Debug)]
/// struct OurIssuer;
///
/// impl TokenMinter for OurIssuer {
///     fn issuer(&self) -> &str {
///         "https://mcp.example.com/sts"
///     }
///
///     async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
///         let claims = format!("{}|{}", order.caller().issuer(), order.caller().subject());
///         Ok(SecretString::from(claims)) // signed, in earnest
///     }
/// }
///
/// let session = Session::minted(OurIssuer).build()?;
/// # Ok::<(), countersign::sts::ConfigError>(())
/// ```
pub trait TokenMinter: fmt::Debug + Send + Sync + 'static {
    /// The `iss` of its tokens, which tells it from other minters.
    fn issuer(&self) -> &str;

    /// A token for one exchange.
    fn mint(&self, order: MintOrder) -> impl Future<Output = Result<SecretString, Refusal>> + Send;
}

/// What a token for STS has to say.
#[derive(Clone, Debug)]
pub struct MintOrder {
    pub(super) caller: Identity,
    pub(super) role_arn: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive_tag_keys: Vec<String>,
    pub(super) source_identity: Option<String>,
}

impl MintOrder {
    /// Who it is about.
    pub fn caller(&self) -> &Identity {
        &self.caller
    }

    /// The role that was selected, which the token is to be good for alone.
    pub fn role_arn(&self) -> &str {
        &self.role_arn
    }

    /// For the claim `https://aws.amazon.com/tags`.
    pub fn tags(&self) -> &[(String, String)] {
        &self.tags
    }

    /// Which of the tags later hops inherit.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.transitive_tag_keys
    }

    /// For the claim `https://aws.amazon.com/source_identity`.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }
}

/// A [`TokenMinter`] of whatever type, to be stored.
#[derive(Clone, Debug)]
pub(super) struct Minter(Arc<dyn DynMinter>);

type Minting<'a> = Pin<Box<dyn Future<Output = Result<SecretString, Refusal>> + Send + 'a>>;

trait DynMinter: fmt::Debug + Send + Sync {
    fn issuer(&self) -> &str;
    /// Boxed: it is part of an exchange over the network, and no request waits in it directly.
    fn mint(&self, order: MintOrder) -> Minting<'_>;
}

impl<M: TokenMinter> DynMinter for M {
    fn issuer(&self) -> &str {
        TokenMinter::issuer(self)
    }

    fn mint(&self, order: MintOrder) -> Minting<'_> {
        Box::pin(TokenMinter::mint(self, order))
    }
}

impl Minter {
    pub(super) fn new(minter: impl TokenMinter) -> Self {
        Self(Arc::new(minter))
    }

    pub(super) fn issuer(&self) -> &str {
        self.0.issuer()
    }

    pub(super) async fn mint(&self, order: MintOrder) -> Result<SecretString, Refusal> {
        self.0.mint(order).await
    }
}
