//! Clients, and what they get for the people that they act for.

use super::{BACK, Secrets, VERIFIER};
use bytes::Bytes;
use countersign_tests::client::{Answer, Plain, encode};
use http::Request;
use http_body_util::Full;

/// A client that registered itself.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) http: Plain,
}

/// What a person and their client know.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Codes and refresh tokens that were taken, and answered.
    pub(crate) spent: Vec<String>,
    /// The refresh token that should be good.
    pub(crate) last: Option<String>,
    pub(crate) access: String,
}

impl App {
    /// `None` where no answer came.
    pub(crate) async fn redeem(&self, server: &str, code: &str) -> Option<Answer> {
        let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
        self.token(server, &[&grant[..], &[("code_verifier", VERIFIER)]].concat()).await
    }

    pub(crate) async fn refresh(&self, server: &str, token: &str) -> Option<Answer> {
        self.token(server, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn token(&self, server: &str, grant: &[(&str, &str)]) -> Option<Answer> {
        let mut form = vec![("client_id", self.id.as_str())];
        form.extend(self.secret.as_deref().map(|secret| ("client_secret", secret)));
        form.extend(grant);
        let request = Request::post(format!("{server}/oauth/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(encode(&form))))
            .unwrap();
        self.http.send(request).await.ok()
    }
}

impl Account {
    /// Keeps what came for what was `spent`.
    pub(crate) fn take(&mut self, answer: &Answer, spent: String, secrets: &Secrets) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tokens = answer.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        (self.access, self.last) = (text("access_token"), Some(text("refresh_token")));
        secrets.keep([&spent, &self.access].into_iter().chain(&self.last));
        self.spent.push(spent);
    }

    /// Nothing that was spent is good again, and whoever tries has ended what came of it.
    pub(crate) async fn assert_spent(&self, app: &App, server: &str) {
        for spent in [self.spent.first(), self.spent.last()].into_iter().flatten() {
            let again = [app.redeem(server, spent).await, app.refresh(server, spent).await];
            let refused =
                |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.status == 400);
            assert!(again.iter().all(refused), "spent, and good again: {self:?} {again:?}");
        }
        if let Some(last) = self.last.as_ref().filter(|_| self.spent.len() > 1) {
            let answer = app.refresh(server, last).await.unwrap();
            assert_eq!(answer.status, 400, "the family ends with the reuse of one of its tokens");
        }
    }
}

/// What a client is told in the address that a person comes back to.
pub(crate) fn parameter(url: &url::Url, name: &str) -> String {
    let found = url.query_pairs().find_map(|(told, value)| (told == name).then(|| value.into_owned()));
    found.unwrap_or_else(|| panic!("no {name}: {url}"))
}
