//! A backend with sessions asks something in the middle of a call, and the client has no session: the call is parked,
//! and goes on when the client makes it again with the answer.

use super::{
    cancel::Left,
    error::{Refusal, Refused},
    flights::{About, Flight},
    forward::Asked,
    message::Message,
    peer::Peer,
    session::{Session, place, random},
    sse::{Event, Events, Mouth, streaming},
    talk::{Lasting, Talk},
    wire::{Heard, quoted},
    words::Words,
};
use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, http::Response};
use bytes::Bytes;
use countersign::clock::Clock;
use http_body_util::{BodyExt, Collected};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// Calls that wait for somebody to come back.
#[derive(Debug)]
pub(super) struct Parked {
    calls: Mutex<HashMap<String, Call>>,
    clock: Arc<dyn Clock>,
}

/// One of them.
#[derive(Debug)]
struct Call {
    until: SystemTime,
    /// Who may go on with it, and with what.
    owner: String,
    digest: Vec<u8>,
    /// What the backend calls its question.
    question: String,
    going: Going,
}

/// A call that is on its way.
#[derive(Debug)]
pub(super) struct Going {
    left: Left,
    session: Arc<Session>,
    place: usize,
    fresh: u64,
    events: Events,
    owner: String,
    digest: Vec<u8>,
    /// When the token is over with which it was begun, or went on last.
    expires: Option<SystemTime>,
    /// What the client calls resources otherwise than the backend.
    renamed: Vec<(String, String)>,
}

/// A client that comes back with the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Back {
    state: String,
    owner: String,
    digest: Vec<u8>,
    /// What the client calls its request now, and its progress.
    id: String,
    token: Option<String>,
    answer: String,
}

impl Going {
    /// What was to be done for whoever made the call.
    pub(super) fn lasting(&self) -> Option<Lasting> {
        self.left.lasting()
    }
}

impl Back {
    pub(super) fn unknown() -> Refusal {
        Refusal::invalid_params("there is no call with this `requestState`, or not any more")
    }

    /// Why it does not go on, as the message that the client is told.
    pub(super) async fn refused(&self, refused: Refused) -> Bytes {
        let id: Option<&RawValue> = serde_json::from_str(&self.id).ok();
        let response = refused.into_response(id).unwrap_or_else(|_| {
            let refusal =
                Refusal::invalid_request("the token that began this call is over; make the call anew");
            refusal.answering(id).into_response()
        });
        response.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default()
    }
}

/// How long anybody waits, and how many.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 10_000;
/// By which name the client answers the question.
const QUESTION: &str = "question";

impl Parked {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { calls: Mutex::default(), clock }
    }

    /// The state with which the client finds it again; `None` where there is no room.
    fn park(&self, me: &str, question: String, going: Going) -> Option<String> {
        let state = format!("{me}:{}", random()?);
        let now = self.clock.now();
        let until = (now + PATIENCE).min(going.expires.unwrap_or(now + PATIENCE));
        let mut calls = self.lock();
        calls.retain(|_, call| call.until > now);
        if calls.len() >= MOST {
            return None;
        }
        let call = Call { until, owner: going.owner.clone(), digest: going.digest.clone(), question, going };
        calls.insert(state.clone(), call);
        Some(state)
    }

    /// The call that somebody may go on with, once.
    pub(super) fn take(&self, back: &Back) -> Option<(String, Going)> {
        let now = self.clock.now();
        let mut calls = self.lock();
        let fits = |call: &Call| call.until > now && call.owner == back.owner && call.digest == back.digest;
        if !calls.get(&back.state).is_some_and(fits) {
            return None;
        }
        calls.remove(&back.state).map(|call| (call.question, call.going))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk<'_> {
    /// Relays what a backend says in a session of ours to a client that has none.
    pub(super) fn until_asked(
        &self,
        peer: &Peer,
        session: &Arc<Session>,
        left: Left,
        fresh: u64,
        body: Body,
        asked: &Asked<'_>,
    ) -> Response<Body> {
        let going = Going {
            left,
            session: session.clone(),
            place: peer.place,
            fresh,
            events: Events::of(body),
            owner: place(self.caller.who.identity()),
            digest: digest_of(asked.message),
            expires: self.caller.who.identity().expires(),
            renamed: self.renamed(asked),
        };
        let words = Words::of(self, peer, session.flights.clone(), true).calling(&going.renamed);
        going_on(self.lasting(), going, words, asked.id.get().to_owned())
    }

    /// Goes on with the call that a request says it continues, wherever that is parked.
    pub(super) async fn go_on(&self, asked: &Asked<'_>, state: &RawValue) -> Result<Response<Body>, Refused> {
        let wrong = Back::unknown;
        let state: String = serde_json::from_str(state.get()).map_err(|_| wrong())?;
        let answers = asked.message.params.input_responses.map(RawValue::get).unwrap_or("{}");
        let answers: BTreeMap<String, &RawValue> = serde_json::from_str(answers).map_err(|_| wrong())?;
        let Some(answer) = answers.get(QUESTION) else {
            return Err(Refusal::invalid_params("`inputResponses` lacks the answer to the question").into());
        };
        let replica = state.split_once(':').ok_or_else(wrong)?.0.to_owned();
        let token = asked.message.params.meta.as_ref().and_then(|meta| meta.token);
        let back = Back {
            state,
            owner: place(self.caller.who.identity()),
            digest: digest_of(asked.message),
            id: asked.id.get().to_owned(),
            token: token.map(|token| token.get().to_owned()),
            answer: answer.get().to_owned(),
        };
        let replicas = &self.hub.replicas;
        if *replica != **replicas.me() {
            return replicas.go_back(&replica, back).await;
        }
        let (question, going) = self.hub.parked.take(&back).ok_or_else(wrong)?;
        self.resume(&back, &question, going).await
    }

    /// Goes on with a call, now that it has its answer.
    pub(super) async fn resume(
        &self,
        back: &Back,
        question: &str,
        mut going: Going,
    ) -> Result<Response<Body>, Refused> {
        going.expires = self.caller.who.identity().expires();
        let peer = self.hub.peer(going.place)?;
        let (id, token) = (back.id.clone(), back.token.clone());
        let flight = Flight { peer: going.place, id: id.clone(), token, about: About::Anything };
        going.session.flights.go_on(going.fresh, flight);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{question},"result":{}}}"#, back.answer);
        going.session.post(peer, self.caller, None, body.into()).await?;
        let words = Words::of(self, peer, going.session.flights.clone(), true).calling(&going.renamed);
        Ok(going_on(self.lasting(), going, words, id))
    }
}

fn going_on(lasting: Lasting, mut going: Going, words: Words, id: String) -> Response<Body> {
    streaming(Mouth::speaking(async move |mouth| {
        while let Ok(Some(event)) = going.events.next().await {
            let data = event.data.clone().unwrap_or_default();
            let heard = Heard::parse(&data);
            if let Some(heard) = &heard
                && let (Some(method), Some(question)) = (&heard.method, heard.id)
            {
                if method == "ping" {
                    pong(&lasting, &going.session, going.place, question).await;
                    continue;
                }
                let required = required(&lasting, heard, question, going, &id);
                mouth.say(Event::saying(required.as_bytes())).await;
                return;
            }
            let is_answer = heard.is_some_and(|heard| heard.is_answer());
            if is_answer {
                going.left.answered();
                if let Some(event) = words.event(event) {
                    mouth.say(event).await;
                }
                return;
            }
            if let Some(event) = words.event(event)
                && mouth.say(event).await.is_none()
            {
                return;
            }
        }
    }))
}

/// Parks the call, and says what it needs.
fn required(lasting: &Lasting, heard: &Heard<'_>, question: &str, going: Going, id: &str) -> String {
    let method = heard.method.as_deref().unwrap_or_default();
    let params = heard.params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
    let needed = format!(r#"{{"method":{}{params}}}"#, quoted(method));
    let talk = lasting.talk();
    match talk.hub.parked.park(talk.hub.replicas.me(), question.to_owned(), going) {
        Some(state) => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","inputRequests":{{"{QUESTION}":{needed}}},"requestState":{}}}}}"#,
            quoted(&state)
        ),
        None => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32003,"message":"too many calls wait for an answer; try again"}}}}"#
        ),
    }
}

async fn pong(lasting: &Lasting, session: &Session, place: usize, question: &str) {
    let talk = lasting.talk();
    let Ok(peer) = talk.hub.peer(place) else { return };
    let body = format!(r#"{{"jsonrpc":"2.0","id":{question},"result":{{}}}}"#);
    if session.post(peer, talk.caller, None, body.into()).await.is_err() {
        tracing::info!(backend = peer.name(), "could not be told that the client is there");
    }
}

/// What has to be the same when a call goes on: what is called, and with which arguments.
fn digest_of(message: &Message<'_>) -> Vec<u8> {
    let arguments = message.params.arguments.map(RawValue::get).unwrap_or("null");
    // The order of members may be another one when they are written again.
    // What no tree can hold, a number too large or a nest too deep, has to be the same to the letter.
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| arguments.into());
    let method = message.method.as_deref().unwrap_or_default();
    let called = Value::from(vec![method.into(), message.subject().into(), arguments]).to_string();
    digest(&SHA256, called.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_with(arguments: &str) -> Vec<u8> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"it","arguments":{arguments}}}}}"#
        );
        digest_of(&Message::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn other_arguments_are_another_call_also_where_no_tree_holds_them() {
        assert_eq!(digest_with(r#"{"a":1,"b":2}"#), digest_with(r#"{ "b":2, "a":1 }"#));
        assert_ne!(digest_with(r#"{"a":1}"#), digest_with(r#"{"a":2}"#));
        assert_ne!(digest_with(r#"{"a":1e999}"#), digest_with(r#"{"a":2e999}"#));
        assert_ne!(digest_with(r#"{"a":1e999}"#), digest_with("null"));
    }
}
