//! What people see: plain pages that need no script and nothing from elsewhere.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::LazyLock;

/// Where forms are sent.
pub(super) const DECIDE: &str = "/oauth/decide";

/// A page, as a person sees it.
#[derive(Debug)]
pub(super) enum Page<'a> {
    /// A client wants to act for a person.
    Consent {
        journey: &'a str,
        client: Named<'a>,
        resource: &'a str,
        /// Where the browser goes back to.
        back: &'a str,
        /// Whether that is a program on the person's own machine.
        local: bool,
        scopes: Vec<&'a str>,
        /// Where they sign in; `None` where they did.
        provider: Option<&'a str>,
    },
    /// An account is missing.
    Connect {
        journey: &'a str,
        client: Option<&'a str>,
        provider: &'a str,
        first: Option<&'a str>,
    },
    /// One more account could be connected.
    Offer {
        journey: &'a str,
        provider: &'a str,
    },
    /// The browser goes on somewhere else. Not by redirect: that would count as part of the form, which leads here only.
    Onward {
        url: &'a str,
        whither: &'a str,
    },
    Connected {
        provider: &'a str,
    },
    /// A client made a mistake, and nobody ever agreed to go to where it wants to be told.
    Astray {
        detail: &'a str,
        url: &'a str,
        back: &'a str,
        local: bool,
    },
    Problem {
        status: StatusCode,
        what: &'a str,
        /// What the client's developer has to know.
        detail: Option<&'a str>,
        remedy: &'a str,
    },
}

/// What a client is called, and who says so.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    /// Nobody checked what a client calls itself that registered itself.
    pub(super) by_itself: bool,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#16191d;--soft:#4b5563;--paper:#eef1f5;--card:#fff;--line:#cbd2db;\
--act:#1d4ed8;--on-act:#fff;--note:#fff6e0;--edge:#b45309}\
@media(prefers-color-scheme:dark){:root{--ink:#eef0f3;--soft:#aeb7c3;--paper:#111418;--card:#1c2026;--line:#3d454f;\
--act:#8ab4ff;--on-act:#0b1220;--note:#2b2416;--edge:#f0b35a}}\
*{box-sizing:border-box}\
body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}\
main{max-width:34rem;margin:8vh auto;padding:2rem;background:var(--card);border:1px solid var(--line);\
border-radius:1rem}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere;text-wrap:balance}\
p{margin:1rem 0;overflow-wrap:anywhere}\
dl{margin:1.5rem 0}\
dl div{padding:.75rem 0;border-top:1px solid var(--line)}\
dl div:last-child{border-bottom:1px solid var(--line)}\
dt{font-size:.875rem;color:var(--soft)}\
dd{margin:0;font-weight:600;overflow-wrap:anywhere}\
dd small{font-size:inherit;font-weight:400}\
.note{padding:.75rem 1rem;background:var(--note);border-left:4px solid var(--edge);border-radius:.25rem}\
form,.on{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0 0}\
button,.go,.away{display:inline-flex;align-items:center;justify-content:center;min-height:3rem;padding:.5rem 1.5rem;\
font:inherit;font-weight:600;text-align:center;text-decoration:none;overflow-wrap:anywhere;color:var(--act);\
background:transparent;border:2px solid var(--act);border-radius:.625rem;cursor:pointer}\
.go{color:var(--on-act);background:var(--act)}\
:focus-visible{outline:3px solid var(--edge);outline-offset:3px}\
@media(max-width:36rem){body{background:var(--card)}main{margin:0;padding:1.5rem 1.25rem;border:0;border-radius:0}\
button,.go,.away{flex:1 0 100%}}";

/// What browsers hold the page to: nothing is loaded, nothing runs, nobody frames it, and forms come here.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

/// What comes along with every page.
pub(super) fn headers() -> HeaderMap {
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let mut headers: HeaderMap =
        fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    headers.extend(HeaderValue::from_str(&POLICY).map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    headers
}

impl Page<'_> {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Problem { status, .. } => *status,
            Self::Astray { .. } => StatusCode::BAD_REQUEST,
            Self::Consent { .. }
            | Self::Connect { .. }
            | Self::Offer { .. }
            | Self::Onward { .. }
            | Self::Connected { .. } => StatusCode::OK,
        }
    }

    pub(super) fn render(&self) -> String {
        let (title, onward, body) = match self {
            Self::Consent { journey, client, resource, back, local, scopes, provider } => {
                let title = format!("Let {} act for you?", client.name);
                let body = html! {
                    h1 { (title) }
                    dl {
                        div {
                            dt { @if client.by_itself { "It calls itself" } @else { "Application" } }
                            dd { (client.name) }
                        }
                        div {
                            dt { "It will use" }
                            dd { (resource) }
                        }
                        @if !scopes.is_empty() {
                            div {
                                dt { "It may" }
                                dd { (scopes.join(", ")) }
                            }
                        }
                        div {
                            dt { "Afterwards you go back to" }
                            dd {
                                (back)
                                @if *local { small { ", a program on this computer" } }
                            }
                        }
                    }
                    @if client.by_itself {
                        p.note { "Nobody has checked this name. Go on only if you have just begun to sign in there yourself." }
                    }
                    (choice(journey, &match provider {
                        Some(provider) => format!("Continue to {provider}"),
                        None => "Allow".to_owned(),
                    }, "Cancel"))
                };
                (title, None, body)
            }
            Self::Connect { journey, client, provider, first } => {
                let title = format!("Connect your account at {provider}?");
                let body = html! {
                    h1 { (title) }
                    p {
                        @match client {
                            Some(client) => { "What " strong { (client) } " asked for in your name" }
                            None => "What was asked for in your name",
                        }
                        " needs your account there."
                    }
                    @if let Some(first) = first {
                        p { "You sign in at " strong { (first) } " first, which shows that the link was made for you." }
                    }
                    (choice(journey, "Continue", "Cancel"))
                };
                (title, None, body)
            }
            Self::Offer { journey, provider } => {
                let title = format!("Connect your account at {provider}, too?");
                let body = html! {
                    h1 { (title) }
                    p { "Some of what is here needs it. You can also connect it later, when you are asked for it." }
                    (choice(journey, "Connect", "Not now"))
                };
                (title, None, body)
            }
            Self::Onward { url, whither } => {
                let title = format!("On your way to {whither}");
                let body = html! {
                    h1 { (title) }
                    p.on { a.go href=(url) { "Continue" } }
                };
                (title, Some(*url), body)
            }
            Self::Connected { provider } => {
                let title = format!("Your account at {provider} is connected");
                let body = html! {
                    h1 { (title) }
                    p { "You can close this page, go back to where you came from, and try again there." }
                };
                (title, None, body)
            }
            Self::Astray { detail, url, back, local } => {
                let title = "The application sent you here in a wrong way".to_owned();
                let body = html! {
                    h1 { (title) }
                    p { "Nothing was done, and it was told nothing. You can close this page." }
                    p.note { (detail) "." }
                    p {
                        "Nobody has checked whose application it is. It wants to hear of this at "
                        strong { (back) }
                        @if *local { ", a program on this computer" }
                        ". Go there only if you have just begun to sign in there yourself."
                    }
                    p.on { a.away href=(url) rel="noreferrer" { "Go to " (back) } }
                };
                (title, None, body)
            }
            Self::Problem { what, detail, remedy, .. } => {
                let body = html! {
                    h1 { (what) }
                    p { (remedy) }
                    @if let Some(detail) = detail {
                        p { "If it happens again, tell whoever makes the application:" }
                        p.note { (detail) "." }
                    }
                };
                ((*what).to_owned(), None, body)
            }
        };
        document(&title, onward, &body).into_string()
    }
}

/// Yes and no.
fn choice(journey: &str, yes: &str, no: &str) -> Markup {
    html! {
        form method="post" action=(DECIDE) {
            input type="hidden" name="journey" value=(journey);
            button.go type="submit" name="decision" value="yes" { (yes) }
            button type="submit" name="decision" value="no" { (no) }
        }
    }
}

fn document(title: &str, onward: Option<&str>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                @if let Some(url) = onward { meta http-equiv="refresh" content=(format!("0; url={url}")); }
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent<'a>(name: &'a str, back: &'a str) -> Page<'a> {
        Page::Consent {
            journey: "the-journey",
            client: Named { name, by_itself: true },
            resource: "https://mcp.example.com/mcp",
            back,
            local: false,
            scopes: vec!["mcp:read"],
            provider: Some("Corp"),
        }
    }

    #[test]
    fn whatever_a_client_calls_itself_stays_text() {
        let page = consent("<script>alert(1)</script>\"><img src=x>", "evil\"><script>").render();
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_page_says_who_wants_what_and_where_it_leads() {
        let page = consent("An inspector", "client.example").render();
        for part in
            ["An inspector", "https://mcp.example.com/mcp", "client.example", "Continue to Corp", "mcp:read"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.contains("value=\"the-journey\"") && page.contains("Nobody has checked this name"));
    }

    #[test]
    fn whoever_went_astray_is_told_where_a_link_leads_and_taken_nowhere() {
        let url = "https://evil.example/?error=invalid_scope&state=\"><script>";
        let page = Page::Astray { detail: "`scope` is wrong", url, back: "evil.example", local: false };
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        let page = page.render();
        assert!(!page.contains("http-equiv") && !page.contains("<script>"), "{page}");
        assert!(page.contains("Go to evil.example") && page.contains("`scope` is wrong."), "{page}");
        assert!(page.contains("href=\"https://evil.example/?error=invalid_scope&amp;state="), "{page}");
    }

    #[test]
    fn browsers_load_nothing_run_nothing_and_frame_nothing() {
        let headers = headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn an_address_to_go_on_to_stays_one() {
        let page = Page::Onward { url: "https://idp.example/?a=1&b='\"", whither: "Corp" }.render();
        assert!(page.contains("content=\"0; url=https://idp.example/?a=1&amp;b='&quot;\""), "{page}");
    }
}
