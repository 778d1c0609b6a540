//! The providers that people sign in at.

use super::{
    super::{
        diagnostic::Findings,
        raw,
        secret::resolve_file,
        token_endpoint::{complain, resolve_client, resolve_endpoint},
    },
    Names,
    presets::{Described, Known, Usual, described, known},
};
use countersign::{
    fetch::{Fetcher, Reach},
    token_endpoint::{ClientAuthentication, TokenEndpoint},
    tokens::{OAuthCodes, OAuthRefresh},
};
use serde_saphyr::{Location, Spanned};
use std::sync::Arc;
use url::{Host, Url};

/// A provider, and what it is to whoever signs in.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: Arc<str>,
    /// What pages call it.
    pub(crate) title: String,
    /// Whether a person may sign in without it.
    pub(crate) optional: bool,
    pub(crate) provider: Provider,
}

#[derive(Debug)]
pub(crate) enum Provider {
    Oidc(Box<Oidc>),
    OAuth2(Box<OAuth2>),
}

/// A provider that describes itself.
#[derive(Debug)]
pub(crate) struct Oidc {
    /// As it stands in its tokens.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client: ClientAuthentication,
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) private_addresses: bool,
    pub(crate) asked: Asked,
    pub(crate) fetcher: Fetcher,
}

/// A provider whose addresses are told.
#[derive(Debug)]
pub(crate) struct OAuth2 {
    pub(crate) authorize: Url,
    pub(crate) client_id: String,
    pub(crate) codes: OAuthCodes,
    /// Knows it by its name.
    pub(crate) refresh: OAuthRefresh,
    pub(crate) asked: Asked,
    /// Where it says who somebody is.
    pub(crate) identified: Option<Identified>,
}

/// Where a provider says who somebody is, in its own way.
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    pub(crate) userinfo: Url,
    /// The member that names them.
    pub(crate) subject: String,
    pub(crate) fetcher: Fetcher,
}

/// What a person is asked for there.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) scopes: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
}

/// What the protocol itself says in an authorization request.
const RESERVED: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl Upstream {
    /// Whether it is the one whose tokens name `issuer`.
    pub(crate) fn is_issuer(&self, issuer: &str) -> bool {
        matches!(&self.provider, Provider::Oidc(oidc) if oidc.issuer == issuer)
    }
}

/// The claims that upstreams name, each with the upstream.
pub(super) type Carried = Vec<(String, Spanned<String>)>;

/// The upstreams, the claims that they name, and what each is called.
pub(super) fn resolve_upstreams(
    raw: Spanned<Vec<raw::Upstream>>,
    findings: &mut Findings,
) -> (Option<Vec<Upstream>>, Carried, Names) {
    let Spanned { value: raw, referenced, .. } = raw;
    let (count, mut upstreams, mut carried, mut names) = (raw.len(), Vec::new(), Vec::new(), Names::new());
    if raw.is_empty() {
        let remedy = "describe one, with `name` and `oidc` or `oauth2`";
        findings.error(referenced, "there is no upstream (V-05)", remedy);
    }
    for (nth, raw) in raw.into_iter().enumerate() {
        let raw::Upstream {
            name: Spanned { value: name, referenced, .. },
            title,
            optional,
            claims,
            oidc,
            oauth2,
        } = raw;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        let fitting = !name.is_empty() && name.chars().all(fits);
        let twice = names.contains_key(&name);
        if !fitting {
            let what = format!("`{name}` cannot be a provider's name (V-06)");
            findings.error(referenced, what, "use letters, digits, `-` and `_`");
        } else if twice {
            findings.error(referenced, format!("`{name}` is there twice (V-05)"), "rename one of the two");
        }
        let (provider, endpoint) = match (oidc, oauth2) {
            (Some(oidc), None) => resolve_oidc(&oidc, findings),
            (None, Some(oauth2)) => resolve_oauth2(&oauth2, &name, nth == 0, findings),
            (Some(_), Some(_)) | (None, None) => {
                let what = format!("`{name}` has to be one of `oidc` and `oauth2` (V-05)");
                findings.error(referenced, what, "keep the one that the provider speaks");
                (None, None)
            }
        };
        if nth == 0 && optional {
            let what = format!("`{name}` says who somebody is, and nobody signs in without that (V-05)");
            findings.error(referenced, what, "put another upstream before it, or remove `optional`");
        }
        carried.extend(claims.into_iter().map(|claim| (name.clone(), claim)));
        names.insert(name.clone(), endpoint);
        if let (true, false, Some(provider)) = (fitting, twice, provider) {
            let title = title.unwrap_or_else(|| name.clone());
            upstreams.push(Upstream { name: name.into(), title, optional, provider });
        }
    }
    let complete = upstreams.len() == count && count > 0;
    (complete.then_some(upstreams), carried, names)
}

fn resolve_oidc(raw: &raw::Oidc, findings: &mut Findings) -> (Option<Provider>, Option<TokenEndpoint>) {
    let Some(described) = described(raw, findings) else { return (None, None) };
    let Described { issuer: name, place, usual } = described;
    let written = raw::Endpoint { secret_in_form: usual.secret_in_form, ..raw.endpoint() };
    let issuer = address(&name, place, findings);
    let client = resolve_client(written, findings);
    let authorities = raw_authorities(written, findings);
    // Told where somebody has to know it before the provider is asked.
    let endpoint = written.token_url.and_then(|url| {
        let (client, authorities) = (client.clone()?, authorities.clone()?);
        Some(endpoint_at(&url.value, client, authorities, written.private_addresses))
    });
    let asked = asked(raw.scopes.as_deref(), raw.parameters.as_ref(), usual, findings);
    let provider = (|| {
        let (issuer, client, authorities, mut asked) = (issuer?, client?, authorities?, asked?);
        if !asked.scopes.iter().any(|scope| scope == "openid") {
            asked.scopes.insert(0, "openid".to_owned());
        }
        // Its token endpoint is told later; what is wrong with the client is told now.
        let probed =
            endpoint_at(issuer.as_str(), client.clone(), authorities.clone(), written.private_addresses);
        OAuthCodes::new(probed).map_err(|error| complain(&error, place, findings)).ok()?;
        let fetcher = fetcher(&issuer, authorities.as_deref(), written, findings)?;
        Some(Provider::Oidc(Box::new(Oidc {
            issuer: name,
            client_id: written.client_id.value.clone(),
            client,
            authorities,
            private_addresses: written.private_addresses,
            asked,
            fetcher,
        })))
    })();
    (provider, endpoint)
}

fn resolve_oauth2(
    raw: &raw::OAuth2,
    name: &str,
    first: bool,
    findings: &mut Findings,
) -> (Option<Provider>, Option<TokenEndpoint>) {
    let known = match raw.preset.as_ref().map(|preset| known(preset, findings)) {
        Some(None) => return (None, None),
        known => known.flatten(),
    };
    let usual = known.as_ref().map_or_else(Usual::default, |known| known.usual);
    let written = raw::Endpoint { secret_in_form: usual.secret_in_form, ..raw.endpoint() };
    let named = [("token_url", written.token_url), ("authorize_url", raw.authorize_url.as_ref())];
    if let (Some(_), Some((name, url))) =
        (&known, named.into_iter().find_map(|(name, url)| url.map(|url| (name, url))))
    {
        let what = format!("`{name}: {}` is named beside a preset, which has its own", url.value);
        findings.error(url.referenced, what, "keep one of the two");
        return (None, None);
    }
    let endpoint = resolve_endpoint(written, known.as_ref().map(|known| known.token), findings);
    let authorize = match (&raw.authorize_url, &known) {
        (Some(url), _) => address(&url.value, url.referenced, findings),
        (None, Some(known)) => Url::parse(known.authorize).ok(),
        (None, None) => {
            let what = "nothing says where people sign in (V-05)";
            findings.error(written.client_id.referenced, what, "add `authorize_url: https://…` beside it");
            None
        }
    };
    let asked = asked(raw.scopes.as_deref(), raw.parameters.as_ref(), usual, findings);
    let identified = identified(raw, known.as_ref(), findings);
    if first && matches!(identified, Some(None)) {
        let what = "the first upstream says who somebody is, and nothing says where this one does (V-05)";
        findings.error(
            written.client_id.referenced,
            what,
            "add `userinfo_url: https://…`, or put another one first",
        );
        return (None, endpoint);
    }
    let provider = (|| {
        let (authorize, endpoint) = (authorize?, endpoint.clone()?);
        let mut unfit = |error| complain(&error, written.client_id.referenced, findings);
        let codes = OAuthCodes::new(endpoint.clone()).map_err(&mut unfit).ok()?;
        let refresh = OAuthRefresh::new([(name, endpoint)]).map_err(&mut unfit).ok()?;
        Some(Provider::OAuth2(Box::new(OAuth2 {
            authorize,
            client_id: written.client_id.value.clone(),
            codes,
            refresh,
            asked: asked?,
            identified: identified?,
        })))
    })();
    (provider, endpoint)
}

/// The outer `None` is a mistake, the inner one a provider that does not say who somebody is.
fn identified(
    raw: &raw::OAuth2,
    known: Option<&Known>,
    findings: &mut Findings,
) -> Option<Option<Identified>> {
    let written = raw.endpoint();
    let userinfo = match (&raw.userinfo_url, known) {
        (Some(url), _) => address(&url.value, url.referenced, findings)?,
        (None, Some(known)) => Url::parse(known.userinfo).ok()?,
        (None, None) => {
            if let Some(subject) = &raw.subject {
                let what = "`subject` is a member of what `userinfo_url` answers, and there is none";
                findings.error(subject.referenced, what, "add `userinfo_url: https://…`, or remove it");
                return None;
            }
            return Some(None);
        }
    };
    let subject = raw.subject.as_ref().map(|subject| subject.value.clone());
    let subject =
        subject.or_else(|| known.map(|known| known.subject.to_owned())).unwrap_or_else(|| "sub".to_owned());
    let authorities = raw_authorities(written, findings)?;
    let fetcher = fetcher(&userinfo, authorities.as_deref(), written, findings)?;
    Some(Some(Identified { userinfo, subject, fetcher }))
}

fn asked(
    scopes: Option<&[Spanned<String>]>,
    parameters: Option<&raw::Named<Spanned<String>>>,
    usual: Usual,
    findings: &mut Findings,
) -> Option<Asked> {
    let scopes = match scopes {
        Some(scopes) => scopes.iter().map(|scope| scope.value.clone()).collect(),
        None => usual.scopes.iter().map(|&scope| scope.to_owned()).collect(),
    };
    let mut sound = true;
    let mut all: Vec<_> =
        usual.parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in parameters.iter().flat_map(|named| &named.0) {
        if RESERVED.contains(&name.value.as_str()) {
            let what = format!("`{}` is what this server says itself", name.value);
            findings.error(name.referenced, what, "remove it; scopes go into `scopes`");
            sound = false;
        }
        all.retain(|(known, _)| *known != name.value);
        all.push((name.value.clone(), value.value.clone()));
    }
    sound.then_some(Asked { scopes, parameters: all })
}

/// An address over https, or on this machine.
fn address(value: &str, place: Location, findings: &mut Findings) -> Option<Url> {
    let url = Url::parse(value).ok().filter(|url| {
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        secure && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
    });
    if url.is_none() {
        let remedy = "write it as in https://login.example.com; plain http is for this machine only";
        findings.error(place, format!("`{value}` is no address over https"), remedy);
    }
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn raw_authorities(raw: raw::Endpoint<'_>, findings: &mut Findings) -> Option<Option<Vec<u8>>> {
    raw.authorities.map_or(Some(None), |path| resolve_file(path, findings).map(Some))
}

fn fetcher(
    url: &Url,
    authorities: Option<&[u8]>,
    raw: raw::Endpoint<'_>,
    findings: &mut Findings,
) -> Option<Fetcher> {
    let reach = if is_loopback(url) { Reach::default().and_loopback() } else { Reach::default() };
    let reach = if raw.private_addresses { reach.dangerous_and_private_addresses() } else { reach };
    let place: Location = raw.authorities.map_or(raw.client_id.referenced, |path| path.referenced);
    let fetcher = Fetcher::new(reach, authorities);
    fetcher.map_err(|error| findings.error(place, error.to_string(), "correct the certificates")).ok()
}

/// A token endpoint with what is said of its provider.
pub(crate) fn endpoint_at(
    url: &str,
    client: ClientAuthentication,
    authorities: Option<Vec<u8>>,
    private_addresses: bool,
) -> TokenEndpoint {
    let endpoint = TokenEndpoint::new(url, client);
    let endpoint = match authorities {
        Some(pem) => endpoint.with_authorities(pem),
        None => endpoint,
    };
    if private_addresses { endpoint.dangerous_allow_private_addresses() } else { endpoint }
}
