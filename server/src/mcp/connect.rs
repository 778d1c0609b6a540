//! What callers are told whose account at a provider is not connected: where to connect it, if their client can show
//! them a page, and in words if it cannot. It is never a 401, since their own token is good.

use super::era::Era;
use crate::{config::resolved::own_address, issuer::Tickets};
use aws_lc_rs::rand;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, Uri, header},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use countersign::{proof::Authenticated, tokens::Account};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json, value::RawValue};

/// Below the public address: the page that leads to a provider, which asks who is there before it does.
const PAGE: &str = "/oauth/connect/";
/// What the era with sessions answers where a page has to be visited first.
const URL_ELICITATION_REQUIRED: i64 = -32042;
const NOT_ALLOWED: i64 = -32001;
/// By which name the client tells us, in the era without sessions, what became of the page.
const REQUEST: &str = "connect";

/// Knows where accounts are connected.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    base: String,
    tickets: Option<Tickets>,
}

/// The account that was missing; in the extensions of an answer.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub(super) backend: String,
    pub(super) provider: String,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) era: Era,
    pub(super) method: Option<&'a str>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) caller: &'a Authenticated,
    /// Whether the client shows pages to the person in front of it.
    pub(super) shows_pages: bool,
}

impl Connect {
    /// At the server that is `public_url`, where `tickets` are good.
    pub(crate) fn at(public_url: &Uri, tickets: Option<Tickets>) -> Self {
        Self { base: own_address(public_url), tickets }
    }

    /// The answer, with the way out where an account is what was missing.
    pub(super) fn lead(&self, answer: Response<Body>, asked: Asked<'_>) -> Response<Body> {
        match (answer.extensions().get::<Missing>(), asked.id) {
            (Some(missing), Some(id)) => self.told(missing, asked, id),
            _ => answer,
        }
    }

    fn told(
        &self,
        Missing { backend, provider }: &Missing,
        asked: Asked<'_>,
        id: &RawValue,
    ) -> Response<Body> {
        let page = self.page(provider, asked.caller);
        let needs = format!("backend `{backend}` needs your account at `{provider}`, which is not connected");
        let (part, value) = match (asked.shows_pages, asked.era, asked.method) {
            (true, Era::Modern, _) => {
                let page = json!({"method": "elicitation/create", "params": visit(&page, &needs)});
                ("result", json!({"resultType": "input_required", "inputRequests": {REQUEST: page}}))
            }
            (true, Era::Legacy, _) => {
                let data = json!({"elicitations": [visit(&page, &needs)]});
                ("error", json!({"code": URL_ELICITATION_REQUIRED, "message": needs, "data": data}))
            }
            (false, era, Some("tools/call")) => {
                let text = format!("{needs}. Connect it at {page} and try again.");
                let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
                if let (Era::Modern, Some(result)) = (era, result.as_object_mut()) {
                    result.insert("resultType".to_owned(), "complete".into());
                }
                ("result", result)
            }
            (false, ..) => {
                let message = format!("{needs}; connect it at {page} and try again");
                let data = json!({"backend": backend, "provider": provider});
                ("error", json!({"code": NOT_ALLOWED, "message": message, "data": data}))
            }
        };
        // The id goes back as it came: it may be a number that no type here holds.
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"{part}":{value}}}"#, id.get());
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// The page where `caller`, and nobody else, connects their account.
    fn page(&self, provider: &str, caller: &Authenticated) -> String {
        let page = format!("{}{PAGE}{}", self.base, utf8_percent_encode(provider, NON_ALPHANUMERIC));
        let account = Account::of(caller.identity(), provider);
        match self.tickets.as_ref().map(|tickets| tickets.issue(&account)) {
            Some(Ok(ticket)) => format!("{page}?ticket={ticket}"),
            Some(Err(error)) => {
                // Whoever opens it is told that something is missing.
                tracing::error!(%error, provider, "no link can be made that connects an account");
                page
            }
            None => page,
        }
    }
}

/// Whether a client says of itself, among its capabilities, that it shows pages.
pub(super) fn shows_pages(capabilities: &RawValue) -> bool {
    let said: Value = serde_json::from_str(capabilities.get()).unwrap_or_default();
    said.pointer("/elicitation/url").is_some_and(Value::is_object)
}

fn visit(page: &str, needs: &str) -> Value {
    let mut random = [0; 16];
    // Without randomness the page still leads there; only what becomes of it cannot be told apart from another's.
    let name = rand::fill(&mut random).map(|()| BASE64_URL_SAFE_NO_PAD.encode(random)).unwrap_or_default();
    json!({"mode": "url", "message": needs, "url": page, "elicitationId": name})
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn told(era: Era, method: &str, shows_pages: bool) -> Value {
        let connect = Connect::at(&Uri::from_static("https://mcp.example.com/"), None);
        let caller = crate::mcp::invariants::trusted("alice");
        let id = RawValue::from_string("18446744073709551616".to_owned()).unwrap();
        let mut answer = Response::new(Body::empty());
        answer.extensions_mut().insert(Missing { backend: "it".to_owned(), provider: "git-hub".to_owned() });
        let asked = Asked { era, method: Some(method), id: Some(&id), caller: &caller, shows_pages };
        let answer = connect.lead(answer, asked);
        assert_eq!(answer.status(), StatusCode::OK);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(text.windows(26).any(|part| part == br#""id":18446744073709551616,"#), "{text:?}");
        serde_json::from_slice(&text).unwrap()
    }

    #[tokio::test]
    async fn a_client_is_told_in_the_way_it_understands() {
        const PAGE: &str = "https://mcp.example.com/oauth/connect/git%2Dhub";
        let modern = told(Era::Modern, "tools/call", true).await;
        assert_eq!(modern["result"]["resultType"], "input_required");
        let asked = &modern["result"]["inputRequests"]["connect"];
        assert_eq!(
            (&asked["method"], &asked["params"]["mode"]),
            (&"elicitation/create".into(), &"url".into())
        );
        assert_eq!(asked["params"]["url"], PAGE);
        let legacy = told(Era::Legacy, "tools/list", true).await;
        assert_eq!(legacy["error"]["code"], -32042);
        assert_eq!(legacy["error"]["data"]["elicitations"][0]["url"], PAGE);
        for era in [Era::Modern, Era::Legacy] {
            let tool = told(era, "tools/call", false).await;
            assert_eq!(tool["result"]["isError"], true, "{tool}");
            assert!(tool["result"]["content"][0]["text"].as_str().unwrap().contains(PAGE), "{tool}");
            let list = told(era, "tools/list", false).await;
            assert_eq!(list["error"]["code"], -32001, "{list}");
        }
    }

    #[test]
    fn only_who_says_so_shows_pages() {
        for (capabilities, shows) in [
            (r#"{"elicitation":{"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, true),
            // Forms only, as it was before there were pages.
            (r#"{"elicitation":{}}"#, false),
            (r#"{"elicitation":{"form":{}}}"#, false),
            (r#"{"elicitation":{"url":null}}"#, false),
            ("{}", false),
        ] {
            let said = RawValue::from_string(capabilities.to_owned()).unwrap();
            assert_eq!(shows_pages(&said), shows, "{capabilities}");
        }
    }
}
