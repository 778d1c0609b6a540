//! News of one backend for as long as a client listens. Where they break off, they are asked for again; and when the
//! backend is back, the client is told that its lists may be others.

use super::{
    catalog::Kind,
    error::Refused,
    filter::{Chosen, Filter},
    listen::{News, Told},
    peer::Peer,
    session::Session,
    sse::Event,
    talk::{Lasting, Talk},
};
use bytes::Bytes;
use countersign::BoxError;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// Who listens.
#[derive(Clone, Debug)]
pub(super) enum Listener {
    /// The client of a session, to everything.
    Session(Arc<Session>),
    /// A subscription, by its id, to what it wants of this backend.
    Subscription { id: String, filter: Filter, chosen: Chosen },
}

struct Following {
    lasting: Lasting,
    place: usize,
    listener: Listener,
    told: Option<Told>,
    since: Instant,
    pause: Duration,
    /// Where what the client watches is asked for with the news: when that is something else.
    wishes: Option<watch::Receiver<()>>,
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// After as long, a stream that breaks off was a good one.
const STEADY: Duration = Duration::from_secs(60);

impl Talk<'_> {
    /// What `peer` tells, beginning with what it tells now, if it does.
    pub(super) fn following(&self, peer: &Peer, listener: Listener, first: Option<News>) -> Told {
        let wishes = match &listener {
            Listener::Session(session) if peer.is_modern() => Some(session.lines.wishes_change()),
            Listener::Session(_) | Listener::Subscription { .. } => None,
        };
        let following = Following {
            lasting: self.lasting(),
            place: peer.place,
            listener,
            told: first.map(|news| news.told),
            since: Instant::now(),
            pause: SHORTEST,
            wishes,
        };
        stream::unfold(following, Following::next).boxed()
    }
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, BoxError>, Self)> {
        loop {
            if let Some(told) = &mut self.told {
                let said = tokio::select! {
                    said = told.next() => said,
                    () = changed(&mut self.wishes) => {
                        self.told = None;
                        self.told = open(&self.lasting, self.place, &self.listener).await.ok()?.map(|news| news.told);
                        continue;
                    }
                };
                if let Some(Ok(said)) = said {
                    return Some((Ok(said), self));
                }
                self.told = None;
                if self.since.elapsed() >= STEADY {
                    self.pause = SHORTEST;
                }
            }
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST);
            match open(&self.lasting, self.place, &self.listener).await {
                Ok(None) | Err(Refused::Token(_)) => return None,
                Err(_) => {}
                Ok(Some(news)) => {
                    let back = is_back(&self.lasting, self.place, &self.listener, &news.agreed);
                    (self.told, self.since) = (Some(news.told), Instant::now());
                    return Some((Ok(back), self));
                }
            }
        }
    }
}

async fn open(lasting: &Lasting, place: usize, listener: &Listener) -> Result<Option<News>, Refused> {
    let talk = lasting.talk();
    let peer = talk.hub.peer(place)?;
    match listener {
        Listener::Session(session) => talk.hear(session, peer, None).await,
        Listener::Subscription { id, filter, chosen } => {
            talk.subscribe_to(peer, id, filter, chosen).await.map(Some)
        }
    }
}

/// What the client is told of a backend that is there again.
fn is_back(lasting: &Lasting, place: usize, listener: &Listener, agreed: &Value) -> Bytes {
    let talk = lasting.talk();
    for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
        talk.hub.catalogues.forget(place, kind);
    }
    if let Ok(peer) = talk.hub.peer(place) {
        tracing::info!(backend = peer.name(), "tells its news again");
    }
    let params = match listener {
        Listener::Session(_) => String::new(),
        Listener::Subscription { id, .. } => {
            format!(r#","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}"#)
        }
    };
    let lists = [
        ("toolsListChanged", "tools"),
        ("promptsListChanged", "prompts"),
        ("resourcesListChanged", "resources"),
    ];
    let told = lists.iter().filter(|(name, _)| agreed.get(*name) == Some(&Value::Bool(true)));
    let events = told.flat_map(|(_, list)| {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"{params}}}"#);
        Event::saying(text.as_bytes()).into_bytes()
    });
    events.collect()
}

async fn changed(wishes: &mut Option<watch::Receiver<()>>) {
    let is_known = match wishes {
        Some(wishes) => wishes.changed().await.is_ok(),
        None => false,
    };
    if !is_known {
        std::future::pending::<()>().await;
    }
}
