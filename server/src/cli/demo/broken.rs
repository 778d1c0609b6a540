use clap::ValueEnum;

/// What can be broken to see who notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Break {
    /// No rule gives a role to those who are no admins.
    Role,
    /// The admins' role trusts nobody who is there.
    Trust,
    /// The gateway signs for another region.
    Signature,
    /// Alice's token is for somebody else.
    Token,
}
