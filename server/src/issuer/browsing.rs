//! What browsers are sent to, over HTTP.

use super::{
    browser::{Browser, Browsers},
    error::{Fault, Problem},
    journey::{Journey, Purpose, Stop},
    metadata::AUTHORIZE,
    pages::{self, DECIDE, Named, Page},
    sender::Sender,
    sign_in::{CALLBACK, Next, SignIn},
    ticket::Ticket,
};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::error::Error as _;

/// Forms of ours are short.
const MAX_BODY: usize = 4 * 1024;
/// Longer than any request that a client makes.
const MAX_QUERY: usize = 16 * 1024;

#[derive(Clone)]
struct Shared {
    sign_in: SignIn,
    browsers: Browsers,
}

/// The pages, and the addresses between them.
pub(super) fn router(sign_in: SignIn) -> Router {
    let browsers = Browsers::at(&sign_in.offer.issuer);
    Router::new()
        .route(AUTHORIZE, get(authorize))
        .route(DECIDE, post(decide))
        .route(CALLBACK, get(callback))
        .route("/oauth/connect/{provider}", get(connect))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Shared { sign_in, browsers })
}

async fn authorize(
    State(shared): State<Shared>,
    sender: Option<Extension<Sender>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(query) = short(query) else { return too_long() };
    if !shared.may_begin(sender) {
        return too_many();
    }
    match shared.browsers.of(&headers) {
        Ok(browser) => {
            let next = shared.sign_in.authorize(query.as_bytes(), &browser).await;
            shared.answer(next, Some(&browser), false).await
        }
        Err(fault) => failed(&fault),
    }
}

async fn connect(
    State(shared): State<Shared>,
    Path(provider): Path<String>,
    sender: Option<Extension<Sender>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(query) = short(query) else { return too_long() };
    if !shared.may_begin(sender) {
        return too_many();
    }
    match shared.browsers.of(&headers) {
        Ok(browser) => {
            let next = shared.sign_in.connect(&provider, query.as_bytes(), &browser).await;
            shared.answer(next, Some(&browser), false).await
        }
        Err(fault) => failed(&fault),
    }
}

async fn callback(State(shared): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(query) = short(query) else { return too_long() };
    match shared.browsers.of(&headers) {
        Ok(browser) => {
            let next = Box::pin(shared.sign_in.arrive(query.as_bytes(), &browser)).await;
            shared.answer(next, None, false).await
        }
        Err(fault) => failed(&fault),
    }
}

async fn decide(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    // Another site can send a form here, and not the cookie; and it knows no journey's name.
    let browser = shared.browsers.known(&headers).unwrap_or_default();
    let next = Box::pin(shared.sign_in.decide(&body, &browser)).await;
    shared.answer(next, None, true).await
}

impl Shared {
    fn may_begin(&self, sender: Option<Extension<Sender>>) -> bool {
        self.sign_in.beginnings.one_more(sender.map(|Extension(sender)| sender))
    }

    /// `after_form`: a redirect would be held to where our forms may lead.
    async fn answer(
        &self,
        next: Result<Next, Fault>,
        browser: Option<&Browser>,
        after_form: bool,
    ) -> Response {
        let mut response = match next {
            Err(fault) => return failed(&fault),
            Ok(Next::Go { url, whither }) if after_form => {
                show(&Page::Onward { url: &url, whither: &whither })
            }
            Ok(Next::Go { url, .. }) => redirect(&url),
            Ok(Next::Ask { name, journey }) => match self.ask(&name, &journey).await {
                Ok(page) => page,
                Err(fault) => return failed(&fault),
            },
            Ok(Next::Connected { upstream }) => show(&Page::Connected { provider: self.title(&upstream) }),
            Ok(
                Next::Stop { problem: Problem::Fault(fault), .. }
                | Next::Mistaken { problem: Problem::Fault(fault), .. },
            ) => return failed(&fault),
            Ok(Next::Stop { problem: Problem::Refused(refusal), remedy }) => {
                let what = sentence(refusal.what());
                show(&Page::Problem { status: StatusCode::BAD_REQUEST, what: &what, detail: None, remedy })
            }
            Ok(Next::Mistaken { problem: Problem::Refused(refusal), remedy }) => {
                let (what, detail) =
                    ("The application sent you here in a wrong way", sentence(refusal.what()));
                show(&Page::Problem { status: StatusCode::BAD_REQUEST, what, detail: Some(&detail), remedy })
            }
            Ok(Next::Astray { refusal, url, redirect }) => show(&Page::Astray {
                detail: &sentence(refusal.what()),
                url: &url,
                back: &redirect.shown(),
                local: redirect.is_local(),
            }),
        };
        if let Some(cookie) = browser.and_then(|browser| browser.cookie.clone()) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }

    async fn ask(&self, name: &str, journey: &Journey) -> Result<Response, Fault> {
        if let Stop::Offered { upstream } = &journey.stop {
            return Ok(show(&Page::Offer { journey: name, provider: self.title(upstream) }));
        }
        Ok(match &journey.purpose {
            Purpose::Authorize(asked) => {
                let client = &asked.client;
                let first = self.sign_in.upstreams.nth(0).map(|first| first.title());
                show(&Page::Consent {
                    journey: name,
                    client: Named {
                        name: client.name.as_deref().unwrap_or(&client.id),
                        by_itself: !self.sign_in.clients.is_named(&client.id),
                    },
                    resource: &asked.resource,
                    back: &asked.redirect.shown(),
                    local: asked.redirect.is_local(),
                    scopes: asked.scopes.iter().map(String::as_str).collect(),
                    provider: first.filter(|_| journey.subject.is_none()),
                })
            }
            Purpose::Connect(ticket) => {
                let first = self.sign_in.who(ticket);
                let first =
                    first.filter(|first| **first.name() != *ticket.provider).map(|first| first.title());
                let provider = self.title(&ticket.provider);
                let client = self.client(ticket).await?;
                show(&Page::Connect { journey: name, client: client.as_deref(), provider, first })
            }
        })
    }

    /// What the client is called that a ticket is for. An id says nothing to people.
    async fn client(&self, ticket: &Ticket) -> Result<Option<String>, Fault> {
        let Some(id) = &ticket.client else { return Ok(None) };
        match self.sign_in.clients.find(id).await {
            Ok(client) => Ok(client.and_then(|client| client.name)),
            // It described itself once; what it is called is not worth more than the page.
            Err(Problem::Refused(_)) => Ok(None),
            Err(Problem::Fault(fault)) => Err(fault),
        }
    }

    fn title<'a>(&'a self, upstream: &'a str) -> &'a str {
        self.sign_in.upstreams.named(upstream).map_or(upstream, |upstream| upstream.title())
    }
}

fn short(query: Option<String>) -> Option<String> {
    query.or(Some(String::new())).filter(|query| query.len() <= MAX_QUERY)
}

fn too_long() -> Response {
    let (what, remedy) =
        ("This address is too long", "Tell whoever makes the application that sent you here.");
    show(&Page::Problem { status: StatusCode::URI_TOO_LONG, what, detail: None, remedy })
}

fn too_many() -> Response {
    let what = "Too many people are beginning to sign in";
    let remedy = "Wait for a minute, and go on by loading this page again.";
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = show(&Page::Problem { status, what, detail: None, remedy });
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

fn show(page: &Page<'_>) -> Response {
    (page.status(), pages::headers(), page.render()).into_response()
}

fn redirect(url: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else {
        return failed(&Fault::defect("an address to go to fits no header"));
    };
    let no_store = HeaderValue::from_static("no-store");
    let mut response = (StatusCode::SEE_OTHER, [(header::CACHE_CONTROL, no_store)]).into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn failed(fault: &Fault) -> Response {
    tracing::error!(error = %fault, source = ?fault.source(), "the authorization server failed");
    let (what, remedy) =
        ("Something went wrong here", "Try again in a moment. If it goes on, tell whoever runs this server.");
    let mut response =
        show(&Page::Problem { status: StatusCode::SERVICE_UNAVAILABLE, what, detail: None, remedy });
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A clause for developers, as a sentence for people.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
