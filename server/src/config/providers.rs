//! The providers at which callers have accounts.

use super::{
    diagnostic::Findings,
    near::nearest,
    raw::{self, Preset},
    token_endpoint::{complain, resolve_endpoint},
};
use countersign::{
    token_endpoint::TokenEndpoint,
    tokens::{Need, OAuthRefresh},
};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Every provider by its name.
#[derive(Clone, Debug)]
pub(crate) struct Providers {
    endpoints: BTreeMap<String, TokenEndpoint>,
    refresh: OAuthRefresh,
}

/// What the places that name a provider are held against.
#[derive(Debug)]
pub(super) enum Known {
    /// There is no authorization server, so nobody's tokens are kept.
    Nobody,
    /// These names, where some of the providers behind them may be described wrongly.
    Names(Vec<String>, Option<Providers>),
}

impl Providers {
    /// What renews their tokens.
    pub(crate) fn refresh(&self) -> OAuthRefresh {
        self.refresh.clone()
    }

    fn endpoint(&self, name: &str) -> Option<&TokenEndpoint> {
        self.endpoints.get(name)
    }
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
            Self::Nobody => {
                let what = format!("there is no provider `{written}`, and no authorization server (V-01)");
                let remedy = "describe it in `authorization_server.upstreams`, with `name` and `oauth2`";
                findings.error(*referenced, what, remedy);
                None
            }
            Self::Names(names, _) if !names.contains(written) => {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
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

    /// Adds to `needs` whatever an expression looks at of providers. `None` where there is a mistake in it.
    pub(super) fn looked_at(
        &self,
        references: &BTreeSet<String>,
        place: Location,
        needs: &mut Vec<Need>,
        findings: &mut Findings,
    ) -> Option<()> {
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

    /// Where a provider that is known gives tokens; `None` where that was told to be wrong already.
    pub(super) fn endpoint(&self, name: &str) -> Option<TokenEndpoint> {
        match self {
            Self::Nobody | Self::Names(_, None) => None,
            Self::Names(_, Some(providers)) => providers.endpoint(name).cloned(),
        }
    }

    pub(super) fn has_authorization_server(&self) -> bool {
        matches!(self, Self::Names(..))
    }

    /// What was described, if all of it was right: the inner `None` is a configuration without any.
    pub(super) fn into_providers(self) -> Option<Option<Providers>> {
        match self {
            Self::Nobody => Some(None),
            Self::Names(_, providers) => providers.map(Some),
        }
    }
}

pub(super) fn resolve_providers(raw: Option<raw::AuthorizationServer>, findings: &mut Findings) -> Known {
    let Some(raw::AuthorizationServer { upstreams }) = raw else { return Known::Nobody };
    let Spanned { value: upstreams, referenced, .. } = upstreams;
    let what =
        "accounts cannot be connected at this server yet: it keeps tokens and renews them, and obtains none";
    findings.warn(referenced, what, "expect callers to be told that their account is not connected");
    if upstreams.is_empty() {
        findings.error(referenced, "there is no upstream (V-05)", "describe one, with `name` and `oauth2`");
    }
    let (count, mut names, mut endpoints) = (upstreams.len(), Vec::new(), BTreeMap::new());
    for raw::Upstream { name: Spanned { value: name, referenced, .. }, oauth2 } in upstreams {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        let fitting = !name.is_empty() && name.chars().all(fits);
        if !fitting {
            let what = format!("`{name}` cannot be a provider's name (V-06)");
            findings.error(referenced, what, "use letters, digits, `-` and `_`");
        } else if names.contains(&name) {
            findings.error(referenced, format!("`{name}` is there twice (V-05)"), "rename one of the two");
        }
        let endpoint = resolve_upstream(&oauth2, findings);
        names.push(name.clone());
        if let (true, Some(endpoint)) = (fitting, endpoint) {
            endpoints.insert(name, endpoint);
        }
    }
    let refresh = OAuthRefresh::new(endpoints.clone());
    let refresh = refresh.map_err(|error| complain(&error, referenced, findings)).ok();
    let complete = endpoints.len() == count && count > 0;
    let providers = refresh.filter(|_| complete).map(|refresh| Providers { endpoints, refresh });
    Known::Names(names, providers)
}

fn resolve_upstream(raw: &raw::OAuth2, findings: &mut Findings) -> Option<TokenEndpoint> {
    let endpoint = raw.endpoint();
    if let (Some(_), Some(url)) = (&raw.preset, endpoint.token_url) {
        let what = format!("`{}` is named beside a preset, which has its own", url.value);
        findings.error(url.referenced, what, "keep one of the two");
        return None;
    }
    let known = raw.preset.as_ref().map(|preset| match preset.value {
        Preset::Atlassian => "https://auth.atlassian.com/oauth/token",
        Preset::Github => "https://github.com/login/oauth/access_token",
        Preset::Google => "https://oauth2.googleapis.com/token",
    });
    resolve_endpoint(endpoint, known, findings)
}
