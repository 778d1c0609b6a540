//! A token service that answers whatever it is told to.

use axum::{Form, Json, Router, extract::State, response::IntoResponse, routing::post};
use countersign::token_endpoint::{ClientAuthentication, TokenEndpoint};
use countersign_fixtures::http::Server;
use http::StatusCode;
use serde_json::Value;
use std::sync::{Arc, Mutex};

pub(super) struct Desk {
    server: Server,
    state: Arc<Script>,
}

#[derive(Default)]
struct Script {
    answer: Mutex<(u16, Value)>,
    asked: Mutex<Vec<Vec<(String, String)>>>,
}

impl Desk {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Script::default());
        let server =
            Server::start(Router::new().route("/token", post(answer)).with_state(state.clone())).await;
        Self { server, state }
    }

    pub(super) fn endpoint(&self) -> TokenEndpoint {
        TokenEndpoint::new(format!("{}/token", self.server.url()), ClientAuthentication::public("gateway"))
    }

    /// From now on. `<subject>` stands for the token that was shown.
    pub(super) fn say(&self, status: u16, body: Value) {
        *self.state.answer.lock().unwrap() = (status, body);
    }

    /// The forms that arrived.
    pub(super) fn asked(&self) -> Vec<Vec<(String, String)>> {
        self.state.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    Form(form): Form<Vec<(String, String)>>,
) -> impl IntoResponse {
    let subject = form.iter().find(|(name, _)| name == "subject_token").map(|(_, value)| value.clone());
    script.asked.lock().unwrap().push(form);
    let (status, mut body) = script.answer.lock().unwrap().clone();
    if body.get("access_token").is_some_and(|token| token == "<subject>") {
        body["access_token"] = subject.into();
    }
    (StatusCode::from_u16(status).unwrap(), Json(body))
}
