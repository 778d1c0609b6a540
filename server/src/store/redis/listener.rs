//! Hearing what other replicas say.

use super::link::Link;
use crate::store::{error::Error, notice::Heard};
use futures_util::StreamExt;
use redis::{
    RedisResult, Value,
    aio::{PubSubSink, PubSubStream},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Listens to one channel, on a connection of its own that is made anew when it is lost.
pub(in crate::store) struct Listener {
    link: Arc<Link>,
    channel: String,
    open: Option<Open>,
    failures: usize,
}

struct Open {
    sink: PubSubSink,
    messages: PubSubStream,
}

/// After this much silence, Redis is asked whether it is still there.
const SILENCE: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Listener {
    /// Once it is there, nothing that is said is missed without [`Heard::Missed`] saying so.
    pub(super) async fn new(link: Arc<Link>, channel: String) -> Result<Self, Error> {
        let mut listener = Self { link, channel, open: None, failures: 0 };
        let opened = listener.opened().await.map_err(|error| super::cannot_listen(&error))?;
        listener.open = Some(opened);
        Ok(listener)
    }

    /// Nothing is lost if the future is dropped.
    pub(in crate::store) async fn heard(&mut self) -> Heard {
        let answer = self.link.patience().answer;
        loop {
            if let Some(open) = &mut self.open {
                match open.next(answer).await {
                    Some(message) => return Heard::Message(message),
                    None => self.open = None,
                }
            }
            match self.opened().await {
                Ok(open) => {
                    self.open = Some(open);
                    self.failures = 0;
                    return Heard::Missed;
                }
                Err(error) => {
                    if self.failures == 0 {
                        tracing::warn!(%error, "notices of other replicas cannot be heard for now");
                    }
                    let pause = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(5)).min(LONGEST_PAUSE);
                    self.failures += 1;
                    sleep(pause).await;
                }
            }
        }
    }

    async fn opened(&self) -> RedisResult<Open> {
        let patience = self.link.patience();
        let opening = async {
            let client = self.link.listening_client(self.failures).await?;
            let (mut sink, messages) = client.get_async_pubsub().await?.split();
            sink.subscribe(&self.channel).await?;
            Ok(Open { sink, messages })
        };
        let late = |_| Err((redis::ErrorKind::Io, "nothing answered in time").into());
        timeout(patience.connect.saturating_add(patience.answer), opening).await.unwrap_or_else(late)
    }
}

impl Open {
    /// Nothing once the connection is lost.
    async fn next(&mut self, answer: Duration) -> Option<Vec<u8>> {
        loop {
            match timeout(SILENCE, self.messages.next()).await {
                Ok(message) => return message.map(|message| message.get_payload_bytes().to_vec()),
                Err(_) => {
                    // What is said meanwhile waits in `messages`.
                    timeout(answer, self.sink.ping::<Value>()).await.ok()?.ok()?;
                }
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("channel", &self.channel).finish_non_exhaustive()
    }
}
