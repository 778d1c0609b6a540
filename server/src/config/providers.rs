//! The providers at which callers have accounts.

use super::{diagnostic::Findings, near::nearest};
use countersign::{token_endpoint::TokenEndpoint, tokens::Need};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the places that name a provider are held against.
#[derive(Debug)]
pub(super) enum Known {
    /// There is no authorization server, so nobody's tokens are kept.
    Nobody,
    /// Nor are callers told apart.
    Anonymous,
    /// These names, with the token endpoint where that is known from the start.
    Names(BTreeMap<String, Option<TokenEndpoint>>),
}

impl Known {
    /// The provider that is named here, if there is one (V-01, V-02, V-06).
    pub(super) fn provider(&self, name: &Spanned<String>, findings: &mut Findings) -> Option<Arc<str>> {
        let Spanned { value: written, referenced, .. } = name;
        match self {
            _ if written.is_empty() => {
                findings.error(*referenced, "the provider has no name (V-06)", "name an upstream");
                None
            }
            Self::Nobody | Self::Anonymous => {
                let what = format!("there is no provider `{written}`, and no authorization server (V-01)");
                let remedy =
                    "describe it in `authorization_server.upstreams`, with `name` and `oidc` or `oauth2`";
                findings.error(*referenced, what, remedy);
                None
            }
            Self::Names(providers) if !providers.contains_key(written) => {
                let known: Vec<&str> = providers.keys().map(String::as_str).collect();
                let remedy = nearest(written, &known).map_or_else(
                    || format!("choose among: {}", known.join(", ")),
                    |word| format!("did you mean `{word}`?"),
                );
                findings.error(*referenced, format!("there is no provider `{written}` (V-02)"), remedy);
                None
            }
            Self::Names(..) => Some(written.as_str().into()),
        }
    }

    /// The only provider that there is (V-03).
    pub(super) fn only(&self, place: Location, findings: &mut Findings) -> Option<Arc<str>> {
        match self {
            Self::Nobody | Self::Anonymous => {
                let what = "there is no provider, and no authorization server (V-01)";
                let remedy =
                    "describe one in `authorization_server.upstreams`, with `name` and `oidc` or `oauth2`";
                findings.error(place, what, remedy);
                None
            }
            Self::Names(providers) => {
                let known: Vec<&str> = providers.keys().map(String::as_str).collect();
                if let [only] = known.as_slice() {
                    return Some((*only).into());
                }
                let what = "callers have accounts at several providers, and nothing says of which the token is (V-03)";
                findings.error(
                    place,
                    what,
                    format!("add `provider:`, which is one of: {}", known.join(", ")),
                );
                None
            }
        }
    }

    /// Adds to `needs` whatever an expression looks at of providers. `None` where there is a mistake in it.
    pub(super) fn looked_at(
        &self,
        references: &BTreeSet<String>,
        place: Location,
        needs: &mut Vec<Need>,
        findings: &mut Findings,
    ) -> Option<()> {
        let of_requests = |name: &&String| {
            let root = name.split('.').next().unwrap_or_default();
            ["method", "arguments", "resource", "prompt"].contains(&root)
        };
        if let Some(name) = references.iter().find(of_requests) {
            let what =
                format!("`{name}` is known to `authorization.rules` alone, not to what decides about AWS");
            let remedy = "look at `claims`, `actor`, `backend.name` or `tool`, or move it there";
            findings.error(place, what, remedy);
            return None;
        }
        for reference in references {
            let Some(path) = reference.strip_prefix("upstream") else { continue };
            let Some(name) = path.strip_prefix('.').and_then(|path| path.split('.').next()) else {
                let remedy = "name one, as in upstream.github.claims.login";
                findings.error(
                    place,
                    "this looks at every provider, whoever the caller has accounts at",
                    remedy,
                );
                return None;
            };
            let need =
                Need::access_token(self.provider(&Spanned::new(name.to_owned(), place, place), findings)?);
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        Some(())
    }

    /// Where a provider that is known gives tokens; `None` where it is described wrongly, or tells that only when it is
    /// asked.
    pub(super) fn endpoint(&self, name: &str) -> Option<TokenEndpoint> {
        match self {
            Self::Nobody | Self::Anonymous => None,
            Self::Names(providers) => providers.get(name).cloned().flatten(),
        }
    }

    /// Whether callers are not told apart.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }

    pub(super) fn has_authorization_server(&self) -> bool {
        matches!(self, Self::Names(..))
    }
}
