//! What a configuration means, in types that cannot be wrong.

use super::{
    authorization_server::{AuthorizationServer, resolve_authorization_server},
    aws::{Aws, resolve_aws},
    callers::{Callers, Surroundings, check_needs_no_caller, is_anonymous, resolve_callers},
    diagnostic::Findings,
    endpoint::{Endpoint, Said, resolve_endpoint},
    exchange::{TokenExchange, resolve_exchange, resolve_id_jag},
    headers::{SecretUri, resolve_forwarding, resolve_headers, resolve_query},
    issuers::{check_strangers, places_of_issuers},
    minting::{Minted, check_minting},
    networks::{Network, resolve_trusted_proxies},
    program::{Program, resolve_program},
    providers::Known,
    raw,
    session_names::{check_session_names, session_names},
    store::{Store, resolve_store},
};
use axum::http::{HeaderName, Uri};
use countersign::{attach::FixedHeaders, sign::AgentRuntime};
use serde_saphyr::{Location, Spanned};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Where MCP is spoken, below the public address.
pub(crate) const ENDPOINT: &str = "/mcp";

/// How long a backend's name may be.
const MAX_NAME: usize = 32;

/// A gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) listen: SocketAddr,
    /// What callers call us; `None` where that is wherever we listen.
    pub(crate) public_url: Option<Uri>,
    /// Whose word counts on where a request came from.
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) callers: Callers,
    /// At least one, each with a name of its own.
    pub(crate) backends: Vec<Backend>,
    pub(crate) endpoint: Endpoint,
    /// Who signs people in; `None` where others do.
    pub(crate) authorization_server: Option<AuthorizationServer>,
    /// Where tokens are kept; `None` where nothing has to be.
    pub(crate) store: Option<Store>,
}

/// An MCP server.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: Arc<str>,
    pub(crate) reached: Reached,
}

/// Where it is.
#[derive(Debug)]
pub(crate) enum Reached {
    At(Address),
    By(Program),
}

/// An address, and who signs for it.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) url: Uri,
    pub(crate) auth: Auth,
    /// Which of its own headers a client sends along, besides the usual ones.
    pub(crate) forward: Vec<HeaderName>,
}

/// Who signs, or what is put onto a request instead.
#[derive(Debug)]
pub(crate) enum Auth {
    Aws(Box<Aws>),
    UpstreamToken(Arc<str>),
    Exchange(Box<TokenExchange>),
    Headers(FixedHeaders),
    Query(SecretUri),
    None,
}

impl Reached {
    /// Where STS is shown tokens of our own.
    pub(crate) fn minted(&self) -> Option<&Minted> {
        match self {
            Self::At(Address { auth: Auth::Aws(aws), .. }) => aws.minted.as_ref(),
            Self::At(_) | Self::By(_) => None,
        }
    }

    /// Whether a caller has to have connected an account.
    pub(super) fn needs_accounts(&self) -> bool {
        match self {
            Self::At(address) => address.auth.needs_accounts(),
            Self::By(_) => false,
        }
    }
}

impl Auth {
    /// Whether a caller has to have connected an account.
    fn needs_accounts(&self) -> bool {
        match self {
            Self::UpstreamToken(_) => true,
            Self::Aws(aws) => aws.needs_accounts(),
            Self::Exchange(exchange) => exchange.needs_accounts(),
            Self::Headers(_) | Self::Query(_) | Self::None => false,
        }
    }
}

/// Reads what was written; `None` where `findings` says why.
pub(super) fn resolve(raw: raw::Config, findings: &mut Findings) -> Option<Gateway> {
    let raw::Config {
        listen,
        public_url,
        trusted_proxies,
        identity,
        dangerous_allow_anonymous,
        mut backends,
        naming,
        sessions,
        lists,
        tools,
        authorization,
        authorization_server,
        store,
    } = raw;
    let listen = resolve_listen(listen, findings);
    let place_of_url = public_url.as_ref().map(|url| url.referenced);
    let public_url = resolve_public_url(public_url, listen.as_ref(), findings);
    let trusted_proxies = resolve_trusted_proxies(trusted_proxies, findings);
    let own = public_url.as_ref().and_then(Option::as_ref).map(own_address);
    let resource = own.as_deref().map(|own| format!("{own}{ENDPOINT}"));
    let signs_in = authorization_server.is_some();
    let named = places_of_issuers(identity.as_ref());
    let anonymous = is_anonymous(identity.as_ref());
    let around = Surroundings {
        listen: listen.as_ref(),
        public_url: public_url.as_ref().and_then(Option::as_ref).zip(place_of_url),
        signs_in,
        dangerous_allow_anonymous,
    };
    let callers = resolve_callers(identity, &around, own.as_deref(), findings);
    let (authorization_server, known) =
        resolve_authorization_server(authorization_server, resource.as_deref(), findings);
    let known = if anonymous && !signs_in { Known::Anonymous } else { known };
    let said = Said { naming, sessions, lists, tools, authorization };
    let mut endpoint = resolve_endpoint(said, &mut backends.value, findings);
    if let (Some(endpoint), Some(callers), Some(server)) = (&mut endpoint, &callers, &authorization_server) {
        endpoint.access.granted_to(callers, server.as_ref(), findings);
    }
    let templates = session_names(&backends.value);
    let backends = resolve_backends(backends, &known, findings);
    if let (Some(server), Some(backends)) = (authorization_server.iter().flatten().next(), &backends) {
        check_strangers(&named, server, backends, findings);
    }
    if let Some(server) = authorization_server.iter().flatten().next() {
        check_session_names(&templates, server, findings);
    }
    if let (Some(url), Some(backends)) = (&public_url, &backends) {
        check_minting(url.as_ref(), backends, findings);
    }
    let store = resolve_store(store, known.has_authorization_server(), findings);
    Some(Gateway {
        listen: listen?.value,
        public_url: public_url?,
        trusted_proxies: trusted_proxies?,
        callers: callers?,
        backends: backends?,
        endpoint: endpoint?,
        authorization_server: authorization_server?,
        store: store?,
    })
}

/// Our own address as issuers and resources have it: without the slash at its end.
pub(crate) fn own_address(url: &Uri) -> String {
    url.to_string().trim_end_matches('/').to_owned()
}

fn resolve_listen(listen: Option<Spanned<String>>, findings: &mut Findings) -> Option<Spanned<SocketAddr>> {
    let Some(Spanned { value, referenced, .. }) = listen else {
        let default = SocketAddr::from(([127, 0, 0, 1], 8080));
        return Some(Spanned::new(default, Location::UNKNOWN, Location::UNKNOWN));
    };
    match value.parse() {
        Ok(address) => Some(Spanned::new(address, referenced, referenced)),
        Err(_) => {
            findings.error(
                referenced,
                format!("`{value}` is no address to listen on"),
                "write 127.0.0.1:8080",
            );
            None
        }
    }
}

/// The outer `None` is a mistake, the inner one means wherever we listen.
fn resolve_public_url(
    url: Option<Spanned<String>>,
    listen: Option<&Spanned<SocketAddr>>,
    findings: &mut Findings,
) -> Option<Option<Uri>> {
    let Some(Spanned { value, referenced, .. }) = url else {
        if let Some(listen) = listen
            && !listen.value.ip().is_loopback()
        {
            let what = "callers from elsewhere reach this server, but nothing says under which address";
            findings.error(listen.referenced, what, "add `public_url: https://…`");
            return None;
        }
        return Some(None);
    };
    let url = web_address(&value, referenced, findings)?;
    if url.path() != "/" || url.query().is_some() {
        let what = format!("`{value}` has a path, and MCP is served at /mcp");
        findings.error(referenced, what, "name the server alone, as in https://mcp.example.com");
        return None;
    }
    Some(Some(url))
}

fn resolve_backends(
    raw: Spanned<raw::Named<raw::Backend>>,
    known: &Known,
    findings: &mut Findings,
) -> Option<Vec<Backend>> {
    let Spanned { value: raw::Named(backends), referenced, .. } = raw;
    if backends.is_empty() {
        findings.error(referenced, "there is no backend", "name one, with `url:` and `auth:`");
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let mut resolved = Vec::new();
    for (name, backend) in backends {
        if names.contains(&name.value) {
            findings.error(
                name.referenced,
                format!("`{}` is named twice", name.value),
                "rename one of the two",
            );
        }
        names.push(name.value.clone());
        resolved.push(resolve_backend(name, backend, known, findings));
    }
    resolved.into_iter().collect()
}

fn resolve_backend(
    name: Spanned<String>,
    raw: raw::Backend,
    known: &Known,
    findings: &mut Findings,
) -> Option<Backend> {
    let Spanned { value: name, referenced, .. } = name;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    // A name stands before `__` in the names of tools, of which the first counts and which may have 64 letters.
    let named = (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(fits)
        && !name.contains("__")
        && !name.ends_with('_');
    if !named {
        let what = format!("`{name}` cannot be a backend's name");
        let remedy = "use up to 32 letters, digits, `-` and single `_`, of which none is the last";
        findings.error(referenced, what, remedy);
    }
    let reached = if raw.command.is_some() {
        resolve_program(raw, findings).map(Reached::By)
    } else {
        resolve_address(raw, referenced, known, findings).map(Reached::At)
    };
    let reached = reached?;
    named.then(|| Backend { name: name.into(), reached })
}

fn resolve_address(
    raw: raw::Backend,
    place: Location,
    known: &Known,
    findings: &mut Findings,
) -> Option<Address> {
    let of_programs = [
        raw.args.map(|it| ("args", it.referenced)),
        raw.env.map(|it| ("env", it.referenced)),
        raw.cwd.map(|it| ("cwd", it.referenced)),
        raw.max_processes.map(|it| ("max_processes", it.referenced)),
    ];
    for (key, place) in of_programs.into_iter().flatten() {
        let what = format!("`{key}` is about a program, and none is named");
        findings.error(place, what, "add `command:`, or remove it");
    }
    if raw.url.is_none() {
        let what = "nothing says where this backend is";
        findings.error(place, what, "add `url:`, or `command:` for a program of this machine");
    }
    if raw.auth.is_none() {
        findings.error(place, "the key `auth` is missing", "add `auth:` here; `auth: none` signs nothing");
    }
    let url = raw.url.and_then(|url| backend_address(&url, findings));
    let forward = resolve_forwarding(raw.forward_headers, findings);
    let forwarded = forward.as_deref().unwrap_or_default();
    let auth = raw.auth?;
    if known.is_anonymous() {
        check_needs_no_caller(&auth, findings)?;
    }
    let auth = resolve_auth(auth.value, url.as_ref(), forwarded, known, findings);
    Some(Address { url: url?, auth: auth?, forward: forward? })
}

fn resolve_auth(
    raw: raw::Auth,
    url: Option<&Uri>,
    forwarded: &[HeaderName],
    known: &Known,
    findings: &mut Findings,
) -> Option<Auth> {
    match raw {
        raw::Auth::Aws(aws) => resolve_aws(*aws, url, known, findings).map(Box::new).map(Auth::Aws),
        raw::Auth::UpstreamToken(raw::OfProvider { provider, token }) => {
            if let Some(token) = token.filter(|token| token.value == raw::WhichToken::Id) {
                let what = "an ID token is for whoever asked for it, and no backend's";
                findings.error(token.referenced, what, "remove it, or exchange it: `token_exchange`");
                return None;
            }
            known.provider(&provider, findings).map(Auth::UpstreamToken)
        }
        raw::Auth::TokenExchange(exchange) => {
            resolve_exchange(*exchange, known, findings).map(Box::new).map(Auth::Exchange)
        }
        raw::Auth::IdJag(id_jag) => {
            resolve_id_jag(*id_jag, url, known, findings).map(Box::new).map(Auth::Exchange)
        }
        raw::Auth::Headers(headers) => resolve_headers(headers, forwarded, findings).map(Auth::Headers),
        raw::Auth::Query(query) => resolve_query(query, url, findings).map(Auth::Query),
        raw::Auth::None => Some(Auth::None),
    }
}

/// Where a backend is: its address, or the ARN of a runtime in AgentCore, which stands for one.
fn backend_address(written: &Spanned<String>, findings: &mut Findings) -> Option<Uri> {
    let Spanned { value, referenced, .. } = written;
    if !value.starts_with("arn:") {
        return web_address(value, *referenced, findings);
    }
    let runtime = value.parse::<AgentRuntime>().map_err(|invalid| invalid.to_string());
    match runtime.and_then(|runtime| runtime.url().map_err(|error| error.to_string())) {
        Ok(url) => Some(url),
        Err(what) => {
            findings.error(
                *referenced,
                what,
                "write an address over https, or the ARN of an AgentCore runtime",
            );
            None
        }
    }
}

/// An address over https, or on this machine.
fn web_address(text: &str, place: Location, findings: &mut Findings) -> Option<Uri> {
    let remedy = "write it as in https://mcp.example.com; plain http is for this machine only";
    let Ok(uri) = text.parse::<Uri>() else {
        findings.error(place, format!("`{text}` is no address"), remedy);
        return None;
    };
    let host = uri.host().unwrap_or_default();
    let secure = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(&uri));
    let bare_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if !secure || host.is_empty() || !bare_host {
        findings.error(place, format!("`{text}` is no address over https"), remedy);
        return None;
    }
    Some(uri)
}

/// Whether an address leads to this machine.
pub(super) fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
