//! A browser, as far as it matters here: it keeps cookies, follows redirects and sends forms.

use super::{Answer, Plain, encode};
use http::{Request, StatusCode};
use http_body_util::Full;
use std::collections::BTreeMap;
use url::Url;

/// One person's browser.
#[derive(Default)]
pub(super) struct Browser {
    http: Plain,
    /// By host and port, which is more than browsers keep apart, and by name.
    cookies: BTreeMap<(String, String), String>,
}

/// Where it ended up: before a page, or on its way out to a client.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Browser {
    /// Goes to `url`, and on to wherever that leads on this machine. Where clients wait nothing is asked for.
    pub(super) async fn open(&mut self, url: &str) -> Page {
        let mut url = Url::parse(url).unwrap();
        for _ in 0..16 {
            if is_a_clients(&url) {
                return Page { url, status: StatusCode::OK, text: String::new() };
            }
            let answer = self.send(&url, None).await;
            if !answer.status.is_redirection() {
                return Page { url, status: answer.status, text: answer.text() };
            }
            url = url.join(answer.header("location")).unwrap();
        }
        panic!("it leads nowhere: {url}");
    }

    /// The same, and stops before the first address that begins with `before`.
    pub(super) async fn open_until(&mut self, url: &str, before: &str) -> Url {
        let mut url = Url::parse(url).unwrap();
        for _ in 0..16 {
            if url.as_str().starts_with(before) {
                return url;
            }
            let answer = self.send(&url, None).await;
            assert!(answer.status.is_redirection(), "{url}: {}", answer.text());
            url = url.join(answer.header("location")).unwrap();
        }
        panic!("it leads nowhere: {url}");
    }

    /// Presses a button, and goes on.
    pub(super) async fn decide(&mut self, page: &Page, decision: &str) -> Page {
        let answer = self.press(page, decision).await;
        match onward(&answer.text()) {
            Some(url) => self.open(&url).await,
            None => Page { url: page.url.clone(), status: answer.status, text: answer.text() },
        }
    }

    /// Presses a button; where that leads.
    pub(super) async fn decide_only(&mut self, page: &Page, decision: &str) -> String {
        let answer = self.press(page, decision).await;
        onward(&answer.text()).unwrap_or_else(|| panic!("{}", answer.text()))
    }

    async fn press(&mut self, page: &Page, decision: &str) -> Answer {
        let url = page.url.join("/oauth/decide").unwrap();
        let form = encode(&[("journey", &page.journey()), ("decision", decision)]);
        self.send(&url, Some(form)).await
    }

    async fn send(&mut self, url: &Url, form: Option<String>) -> Answer {
        let host = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let ours = self.cookies.iter().filter(|((of, _), _)| *of == host);
        let cookie = ours.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().uri(url.as_str()).header("cookie", cookie);
        if form.is_some() {
            request = request
                .method("POST")
                .header("origin", url.origin().ascii_serialization())
                .header("content-type", "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::from(form.unwrap_or_default())).unwrap();
        let answer = self.http.send(request).await.unwrap();
        for set in answer.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert((host.clone(), name.to_owned()), value.to_owned());
        }
        answer
    }
}

impl Page {
    /// Whether it is one of ours that asks something.
    pub(super) fn is_question(&self) -> bool {
        self.text.contains("name=\"journey\"")
    }

    pub(super) fn journey(&self) -> String {
        let (_, rest) =
            self.text.split_once("name=\"journey\" value=\"").unwrap_or_else(|| panic!("{self:?}"));
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// What a client was told.
    pub(super) fn told(&self, name: &str) -> String {
        self.may_tell(name).unwrap_or_else(|| panic!("`{name}` is not told: {self:?}"))
    }

    pub(super) fn may_tell(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }
}

/// Where a page leads that leads on.
fn onward(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("http-equiv=\"refresh\" content=\"0; url=")?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&").replace("&quot;", "\""))
}

fn is_a_clients(url: &Url) -> bool {
    url.host_str() == Some("client.example") || url.port() == Some(51_004)
}
