/// What a token is, by the names that RFC 8693 gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// An access token, of whatever form.
    AccessToken,
    /// An ID token of OpenID Connect.
    IdToken,
    /// A JWT, for whatever use.
    Jwt,
}

/// The kind of an identity assertion.
pub(super) const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

impl TokenKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}
