//! Who may call: whoever an issuer vouches for, or anybody.

use super::{
    diagnostic::Findings,
    issuers::{Issuer, resolve_issuers},
    raw::{self, Credentials},
    resolved::is_loopback,
};
use axum::http::Uri;
use serde_saphyr::{Location, Spanned};
use std::net::SocketAddr;

/// Who may call.
#[derive(Debug)]
pub(crate) enum Callers {
    /// Whoever one of these vouches for, or this server itself where it signs people in.
    Known(Vec<Issuer>),
    /// Anybody, and nobody is told from anybody else.
    Anonymous {
        /// Whether that is meant for other machines, too.
        from_anywhere: bool,
    },
}

/// What else there is that decides who may call.
#[derive(Debug)]
pub(super) struct Surroundings<'c> {
    pub(super) listen: Option<&'c Spanned<SocketAddr>>,
    /// Our own address, and where that was written.
    pub(super) public_url: Option<(&'c Uri, Location)>,
    pub(super) signs_in: bool,
    pub(super) dangerous_allow_anonymous: bool,
}

impl Callers {
    /// Whether whoever reaches a server that listens here is meant to.
    pub(crate) fn may_call_at(&self, listen: SocketAddr) -> bool {
        match self {
            Self::Known(_) | Self::Anonymous { from_anywhere: true } => true,
            Self::Anonymous { from_anywhere: false } => listen.ip().is_loopback(),
        }
    }
}

/// What to do where anybody could call who should not.
pub(crate) const UNEXPOSED: &str = "listen on 127.0.0.1, name who vouches for callers (`identity: { issuers: [{ issuer: https://… }] }`), \
     or write `dangerous_allow_anonymous: true` where something else keeps strangers out";

const NAME_ISSUERS: &str = "name who vouches for callers: `identity: { issuers: [{ issuer: https://… }] }`";

pub(super) fn is_anonymous(raw: Option<&Spanned<raw::Identity>>) -> bool {
    raw.is_some_and(|raw| matches!(raw.value, raw::Identity::Anonymous))
}

pub(super) fn resolve_callers(
    raw: Option<Spanned<raw::Identity>>,
    around: &Surroundings<'_>,
    own: Option<&str>,
    findings: &mut Findings,
) -> Option<Callers> {
    let issuers = match raw {
        Some(Spanned { value: raw::Identity::Anonymous, referenced, .. }) => {
            return resolve_anonymous(referenced, around, findings);
        }
        Some(Spanned { value: raw::Identity::Issuers(issuers), .. }) => Some(issuers),
        None => None,
    };
    resolve_issuers(issuers, around.signs_in, own, findings).map(Callers::Known)
}

fn resolve_anonymous(place: Location, around: &Surroundings<'_>, findings: &mut Findings) -> Option<Callers> {
    if around.signs_in {
        let what = "an authorization server signs people in, and callers are anonymous (V-09)";
        findings.error(place, what, "remove `identity: anonymous`, or the `authorization_server`");
        return None;
    }
    let exposed = around
        .listen
        .filter(|listen| !listen.value.ip().is_loopback())
        .map(|listen| listen.referenced)
        .or_else(|| around.public_url.filter(|(url, _)| !is_loopback(url)).map(|(_, place)| place));
    if let Some(place) = exposed.filter(|_| !around.dangerous_allow_anonymous) {
        let what = "callers are anonymous, and other machines reach this server: anybody could call";
        findings.error(place, what, UNEXPOSED);
        return None;
    }
    Some(Callers::Anonymous { from_anywhere: around.dangerous_allow_anonymous })
}

/// Where callers are anonymous, nobody signs as one of them: `None` where somebody would.
pub(super) fn check_needs_no_caller(auth: &Spanned<raw::Auth>, findings: &mut Findings) -> Option<()> {
    let (what, instead) = match &auth.value {
        raw::Auth::Headers(_) | raw::Auth::Query(_) | raw::Auth::None => return Some(()),
        raw::Auth::Aws(aws) => {
            let credentials = aws.value.credentials.as_ref().map(|credentials| &credentials.value);
            if matches!(credentials, Some(Credentials::Service)) {
                return Some(());
            }
            ("each caller gets a role of their own here", "write `credentials: service`")
        }
        raw::Auth::UpstreamToken(_) => {
            ("each caller's own account is used here", "use `headers` with a token of this server's own")
        }
        raw::Auth::TokenExchange(_) | raw::Auth::IdJag(_) => {
            ("a caller's token is exchanged here", "use `headers` with a token of this server's own")
        }
    };
    let what = format!("{what}, and callers are anonymous: there is nobody to do it for");
    findings.error(auth.referenced, what, format!("{instead}, or {NAME_ISSUERS}"));
    None
}
