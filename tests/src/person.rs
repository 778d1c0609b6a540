//! Somebody with a browser: it follows redirects, keeps cookies and fills in forms, and runs nothing.

use crate::client::{Answer, Plain};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
};
use url::{Url, form_urlencoded};

/// No way that anybody goes is longer.
const MOST_PAGES: usize = 30;

/// Somebody who signs in wherever that is asked, and agrees to everything.
///
/// They know pages by what is in them: a field `login` or `person` is for their name, and a button `decision` is pressed
/// where it means yes, which is the first one everywhere.
#[derive(Debug)]
pub struct Person {
    name: String,
    http: Plain,
    /// Of everybody: hosts that differ in their ports share them in browsers, too.
    cookies: BTreeMap<String, String>,
    /// The headings of the pages that they saw.
    seen: Vec<String>,
    /// What was in addresses, forms and cookies.
    carried: BTreeSet<String>,
    /// Whether they connect no account that they need not have.
    is_sparing: bool,
}

/// Why somebody did not get where they wanted to.
#[derive(Debug)]
pub enum Stopped {
    /// Nobody answered.
    Silence(Box<dyn Error + Send + Sync>),
    /// A page said that something went wrong there.
    Trouble(Answer),
}

impl Person {
    /// Somebody who never was anywhere.
    pub fn called(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            http: Plain::default(),
            cookies: BTreeMap::new(),
            seen: Vec::new(),
            carried: BTreeSet::new(),
            is_sparing: false,
        }
    }

    /// From now on they say no where an account is only offered.
    #[must_use]
    pub fn sparing(mut self) -> Self {
        self.is_sparing = true;
        self
    }

    /// Begins at `first` and goes on until it leads to an address that begins with `back`, which is returned.
    pub async fn walk(&mut self, first: &str, back: &str) -> Url {
        self.try_walk(first, back).await.unwrap_or_else(|error| panic!("{error}: {first}"))
    }

    /// The same, where somebody on the way may be gone all of a sudden, or not be able to go on.
    ///
    /// # Errors
    ///
    /// Where that happens.
    pub async fn try_walk(&mut self, first: &str, back: &str) -> Result<Url, Stopped> {
        let mut here = parsed(first);
        let mut answer = self.visit(Method::GET, &here, String::new()).await?;
        for _ in 0..MOST_PAGES {
            let page = answer.text();
            let next = if answer.status.is_redirection() {
                Some(answer.header("location").to_owned())
            } else {
                onward(&page)
            };
            if let Some(next) = next {
                here = here.join(&next).unwrap_or_else(|error| panic!("{error}: {next}"));
                self.carried.extend(here.query_pairs().map(|(_, value)| value.into_owned()));
                if here.as_str().starts_with(back) {
                    return Ok(here);
                }
                answer = self.visit(Method::GET, &here, String::new()).await?;
            } else {
                self.seen.extend(between(&page, "<h1>", "</h1>").map(plain));
                let action = between(&page, "action=\"", "\"").map(plain);
                let action = action.unwrap_or_else(|| panic!("{} ends at {here}: {page}", self.name));
                here = here.join(&action).unwrap_or_else(|error| panic!("{error}: {action}"));
                let form = self.fill_in(&page);
                answer = self.visit(Method::POST, &here, form).await?;
            }
        }
        panic!("no end of pages: {here}");
    }

    /// Goes where a client at work sends them, until they are back there, and shows it what they bring.
    pub async fn serve(&mut self, first: &str) -> Url {
        let url = parsed(first);
        let back =
            url.query_pairs().find_map(|(name, value)| (name == "redirect_uri").then(|| value.into_owned()));
        let back = self.walk(first, &back.unwrap_or_else(|| panic!("no `redirect_uri`: {first}"))).await;
        let answer = self.visit(Method::GET, &back, String::new()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {back}"));
        assert!(answer.status.is_success(), "{}: {}", answer.status, answer.text());
        back
    }

    /// Every value that they carried from one server to another or back: in addresses, in forms, as cookies.
    pub fn carried(&self) -> impl Iterator<Item = &str> {
        self.carried.iter().map(String::as_str)
    }

    /// Whether a page had this heading.
    pub fn saw(&self, heading: &str) -> bool {
        self.seen.iter().any(|seen| seen == heading)
    }

    fn fill_in(&mut self, page: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for field in page.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("button")) {
            let of = |name: &str| between(field, &format!("{name}=\""), "\"").map(plain);
            let Some(name) = of("name") else { continue };
            match (name.as_str(), of("type").as_deref()) {
                (_, Some("hidden")) => {
                    let value = of("value").unwrap_or_default();
                    form.append_pair(&name, &value);
                    self.carried.insert(value);
                }
                ("login", _) => drop(form.append_pair(&name, &self.name)),
                ("password", _) => drop(form.append_pair(&name, "any")),
                _ => {}
            }
        }
        if page.contains("name=\"person\"") {
            form.append_pair("person", &self.name);
        }
        let buttons: Vec<_> = page.split("name=\"decision\"").skip(1).collect();
        let is_offer = page.contains(", too?</h1>");
        let pressed = if is_offer && self.is_sparing { buttons.last() } else { buttons.first() };
        if let Some(after) = pressed {
            form.append_pair("decision", &between(after, "value=\"", "\"").map(plain).unwrap_or_default());
        }
        form.finish()
    }

    async fn visit(&mut self, method: Method, url: &Url, form: String) -> Result<Answer, Stopped> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::COOKIE, cookies.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .expect("it is a request");
        let answer = self.http.send(request).await.map_err(Stopped::Silence)?;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let Some((name, rest)) = cookie.to_str().ok().and_then(|cookie| cookie.split_once('=')) else {
                panic!("{cookie:?} is no cookie");
            };
            match rest.split(';').next().unwrap_or_default() {
                "" => self.cookies.remove(name),
                value => {
                    self.carried.insert(value.to_owned());
                    self.cookies.insert(name.to_owned(), value.to_owned())
                }
            };
        }
        if answer.status.is_server_error() { Err(Stopped::Trouble(answer)) } else { Ok(answer) }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence(error) => write!(f, "no answer: {error}"),
            Self::Trouble(answer) => write!(f, "{}: {}", answer.status, answer.text()),
        }
    }
}

/// Where a page leads by itself.
fn onward(page: &str) -> Option<String> {
    let (_, refresh) = page.split_once("http-equiv=\"refresh\"")?;
    between(refresh, "url=", "\"").map(plain)
}

fn between<'p>(page: &'p str, before: &str, after: &str) -> Option<&'p str> {
    page.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map(|(found, _)| found)
}

/// Text out of markup.
fn plain(markup: &str) -> String {
    let known =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
    known.into_iter().fold(markup.to_owned(), |text, (name, letter)| text.replace(name, letter))
}

fn parsed(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{error}: {url}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_filled_in_by_what_is_in_them() {
        let mut alice = Person::called("alice");
        let page = "<form action=\"/decide\"><input type=\"hidden\" name=\"journey\" value=\"a&amp;b\">\
                    <button name=\"decision\" value=\"yes\"><button name=\"decision\" value=\"no\">";
        assert_eq!(alice.fill_in(page), "journey=a%26b&decision=yes");
        let page = "<input required type=\"text\" name=\"login\"><input type=\"hidden\" name=\"prompt\" value=\"login\"/>";
        assert_eq!(alice.fill_in(page), "login=alice&prompt=login");
        let page = "<h1>Connect your account at X, too?</h1><form><button name=\"decision\" value=\"yes\">\
                    <button name=\"decision\" value=\"no\">";
        assert_eq!(alice.fill_in(page), "decision=yes");
        assert_eq!(alice.sparing().fill_in(page), "decision=no");
        let page = "<meta http-equiv=\"refresh\" content=\"0; url=https://a.example/?b=1&amp;c=2\">";
        assert_eq!(onward(page).as_deref(), Some("https://a.example/?b=1&c=2"));
    }
}
