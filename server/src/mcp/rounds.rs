//! A backend without sessions needs something of a client that has one: what it requires becomes questions to the
//! client, and the call is made again with the answers.

use super::{
    cancel::Cancelled,
    error::{Refusal, Refused},
    forward::Asked,
    message::Message,
    peer::{Peer, Request, Said},
    route::Target,
    session::Session,
    sse::{Event, Events, Mouth, streaming},
    talk::{Lasting, Talk},
    wire::{Heard, quoted},
    words::Words,
};
use axum::{
    body::Body,
    http::{HeaderMap, Response},
};
use bytes::Bytes;
use countersign::proof::Tool;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How often a backend may need something for one call, and how long a client may take to answer.
const MOST_ROUNDS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What a result requires before there is one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Required<'a> {
    result_type: Option<&'a str>,
    #[serde(borrow, default)]
    input_requests: BTreeMap<String, Needed<'a>>,
    #[serde(borrow)]
    request_state: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Needed<'a> {
    #[serde(borrow)]
    method: &'a RawValue,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// A call that may take several rounds.
struct Rounds {
    lasting: Lasting,
    session: Arc<Session>,
    place: usize,
    body: Bytes,
    subject: Option<String>,
    tool: Option<Tool>,
    params: HeaderMap,
    added: String,
    was_found: bool,
    words: Words,
}

/// How one round ended.
enum Round {
    /// With the answer.
    Over,
    /// With what is needed for another: the members that it adds to the parameters.
    Again(String),
}

impl Talk<'_> {
    /// Relays what a backend without sessions says to the client of one, who is asked whatever it needs.
    pub(super) fn in_rounds(
        &self,
        peer: &Peer,
        said: Said,
        session: &Arc<Session>,
        asked: &Asked<'_>,
        words: Words,
        mut cancelled: Cancelled,
    ) -> Result<Response<Body>, Refused> {
        if let Said::Message(text) = &said
            && required(text).is_none()
        {
            return self.answered(peer, said, words);
        }
        let rounds = Rounds {
            lasting: self.lasting(),
            session: session.clone(),
            place: peer.place,
            body: Bytes::copy_from_slice(asked.body),
            subject: asked.target.subject.clone(),
            tool: asked.tool.clone(),
            params: asked.params.clone(),
            added: asked.added.clone(),
            was_found: asked.was_found,
            words,
        };
        Ok(streaming(Mouth::speaking(async move |mouth| {
            tokio::select! {
                _ = rounds.go(said, &mouth) => {}
                () = cancelled.told() => {}
            }
        })))
    }
}

impl Rounds {
    async fn go(self, mut said: Said, mouth: &Mouth) -> Option<()> {
        for _ in 0..MOST_ROUNDS {
            let more = match self.round(said, mouth).await? {
                Round::Over => return Some(()),
                Round::Again(more) => more,
            };
            said = match self.again(&more).await {
                Ok(said) => said,
                Err(refused) => return self.fail(mouth, refused).await,
            };
        }
        let name = self.lasting.talk().hub.peer(self.place).ok()?.name().to_owned();
        self.fail(mouth, Refusal::backend(&name, "needs something again and again").into()).await
    }

    async fn round(&self, said: Said, mouth: &Mouth) -> Option<Round> {
        let mut events = match said {
            Said::Message(text) => {
                return self.heard(Event::saying(&text), mouth).await?.or(Some(Round::Over));
            }
            Said::Events(body) => Events::of(body),
            Said::Nothing => return Some(Round::Over),
        };
        while let Ok(Some(event)) = events.next().await {
            if let Some(round) = self.heard(event, mouth).await? {
                return Some(round);
            }
        }
        Some(Round::Over)
    }

    /// Passes an event on; it may have been the last of its round.
    async fn heard(&self, event: Event, mouth: &Mouth) -> Option<Option<Round>> {
        let data = event.data.clone().unwrap_or_default();
        if let Some(required) = required(&data) {
            return Some(Some(self.ask(&required, mouth).await?));
        }
        let is_answer = Heard::parse(&data).is_some_and(|heard| heard.is_answer());
        if let Some(event) = self.words.event(event) {
            mouth.say(event).await?;
        }
        Some(is_answer.then_some(Round::Over))
    }

    /// Asks the client everything that is required, and waits for its answers.
    async fn ask(&self, required: &Required<'_>, mouth: &Mouth) -> Option<Round> {
        let mut waiting = Vec::new();
        for (key, Needed { method, params }) in &required.input_requests {
            let (id, answered) = self.session.questions.ask(self.lasting.talk().hub.replicas.me())?;
            let params = params.map(|params| format!(",\"params\":{}", params.get())).unwrap_or_default();
            let question =
                format!(r#"{{"jsonrpc":"2.0","id":{},"method":{}{params}}}"#, quoted(&id), method.get());
            mouth.say(Event::saying(question.as_bytes())).await?;
            waiting.push((key, answered));
        }
        let mut answers = Vec::new();
        for (key, answered) in waiting {
            let answer = tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()?;
            let heard = Heard::parse(&answer)?;
            match heard.result {
                Some(result) => answers.push(format!("{}:{result}", quoted(key))),
                None => {
                    let refusal = Refusal::invalid_params("the client did not answer what the tool needs");
                    self.fail(mouth, refusal.into()).await?;
                    return Some(Round::Over);
                }
            }
        }
        let state = required.request_state.map(|state| format!(",\"requestState\":{}", state.get()));
        let answers = answers.join(",");
        Some(Round::Again(format!("\"inputResponses\":{{{answers}}}{}", state.unwrap_or_default())))
    }

    async fn again(&self, more: &str) -> Result<Said, Refused> {
        let talk = self.lasting.talk();
        let peer = talk.hub.peer(self.place)?;
        let message = Message::parse(&self.body)?;
        let id = message.id.ok_or_else(Refusal::defect)?;
        let written = message.subject_written().filter(|_| self.subject.is_some());
        let target = Target { place: self.place, subject: self.subject.clone(), written };
        let asked = Asked {
            message: &message,
            body: &self.body,
            id,
            target,
            tool: self.tool.clone(),
            params: self.params.clone(),
            added: self.added.clone(),
            was_found: self.was_found,
        };
        let request: Request = talk.stateless(peer, self.words.flights(), &asked, more);
        peer.post(talk.caller, request).await
    }

    async fn fail(&self, mouth: &Mouth, refused: Refused) -> Option<()> {
        let message = Message::parse(&self.body).ok()?;
        let answer = refused.into_response(message.id).ok()?;
        let text = answer.into_body().collect().await.ok()?.to_bytes();
        mouth.say(Event::saying(&text)).await
    }
}

/// What an answer requires, if it does.
fn required(text: &[u8]) -> Option<Required<'_>> {
    let result = Heard::parse(text)?.result?;
    let required: Required<'_> = serde_json::from_str(result).ok()?;
    (required.result_type == Some("input_required")).then_some(required)
}
