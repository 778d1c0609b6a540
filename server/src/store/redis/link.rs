//! The way to Redis: one connection that all requests share, made anew when it is lost.

use super::settings::{Patience, Source};
use crate::store::error::{Error, Kind};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture,
    RedisResult, ScriptInvocation, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::timeout;

/// A Redis that is there, or will be again.
pub(super) struct Link {
    source: Source,
    patience: Patience,
    slot: Mutex<Slot>,
    /// Whoever holds it makes the connection that the others wait for.
    connecting: tokio::sync::Mutex<()>,
}

/// What may be sent.
#[derive(Clone, Copy)]
pub(super) enum Request<'r> {
    Script(&'r ScriptInvocation<'r>),
    Command(&'r Cmd),
}

/// Whether a request whose answer was lost may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    Again,
}

#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// How many attempts to connect have ended.
    attempts: u64,
    failure: Option<RedisError>,
}

#[derive(Clone)]
enum Connection {
    /// With the attempt that made it.
    One(MultiplexedConnection, u64),
    /// Finds its nodes, and finds them again, by itself.
    Cluster(ClusterConnection),
}

/// How many requests are under way on one connection. The others wait their turn, and not for an answer.
const UNDER_WAY: usize = 256;

impl Link {
    pub(super) fn new(source: Source, patience: Patience) -> Self {
        Self { source, patience, slot: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    pub(super) const fn patience(&self) -> Patience {
        self.patience
    }

    /// Sends `request`. What may be repeated is sent once more if the connection was lost.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        request: Request<'_>,
        repeat: Repeat,
    ) -> Result<T, Error> {
        match timeout(self.patience.in_all(), self.asked(request, repeat)).await {
            Ok(answer) => answer,
            Err(_) => Err(unknown()),
        }
    }

    /// A client of a node that passes on notices.
    pub(super) async fn listening_client(&self, attempt: usize) -> RedisResult<Client> {
        match &self.source {
            Source::Standalone(client) => Ok(Client::clone(client)),
            Source::Sentinel(client) => client.lock().await.async_get_client().await,
            Source::Cluster(_, nodes) => {
                let node = attempt.checked_rem(nodes.len()).and_then(|at| nodes.get(at));
                node.cloned().ok_or_else(|| (ErrorKind::InvalidClientConfig, "no node is named").into())
            }
        }
    }

    async fn asked<T: FromRedisValue>(&self, request: Request<'_>, repeat: Repeat) -> Result<T, Error> {
        let mut tried = false;
        loop {
            let mut connection = self.connection().await.map_err(|error| unreachable(&error))?;
            let error = match request.sent(&mut connection).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if is_lost(&error) {
                self.discard(&connection);
            }
            // A primary that became a replica refuses before it does anything.
            let again = is_demoted(&error) || (is_lost(&error) && repeat == Repeat::Again);
            if tried || !again {
                return Err(failed(&error));
            }
            tried = true;
        }
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let seen = {
            let slot = self.slot();
            if let Some(connection) = &slot.connection {
                return Ok(connection.clone());
            }
            slot.attempts
        };
        // Seldom, and large: the futures of all requests need not have room for it.
        Box::pin(self.connected(seen)).await
    }

    async fn connected(&self, seen: u64) -> RedisResult<Connection> {
        let _connecting = self.connecting.lock().await;
        {
            let slot = self.slot();
            if let Some(connection) = &slot.connection {
                return Ok(connection.clone());
            }
            // Somebody tried while this one waited: that is the answer for both.
            if let Some(failure) = slot.failure.as_ref().filter(|_| slot.attempts > seen) {
                return Err(failure.clone());
            }
        }
        let made = match timeout(self.patience.connect.saturating_mul(2), self.connect(seen)).await {
            Ok(made) => made,
            Err(_) => Err((ErrorKind::Io, "nothing answered in time").into()),
        };
        let mut slot = self.slot();
        slot.attempts += 1;
        slot.failure = made.as_ref().err().cloned();
        slot.connection = made.as_ref().ok().cloned();
        made
    }

    async fn connect(&self, attempt: u64) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience.connect))
            .set_response_timeout(Some(self.patience.answer))
            .set_concurrency_limit(UNDER_WAY);
        let client = match &self.source {
            Source::Standalone(client) => Client::clone(client),
            Source::Sentinel(client) => client.lock().await.async_get_client().await?,
            Source::Cluster(client, _) => {
                return client.get_async_connection().await.map(Connection::Cluster);
            }
        };
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection::One(connection, attempt))
    }

    fn discard(&self, lost: &Connection) {
        let Connection::One(_, lost) = lost else { return };
        let mut slot = self.slot();
        if matches!(&slot.connection, Some(Connection::One(_, current)) if current == lost) {
            slot.connection = None;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request<'_> {
    async fn sent<T: FromRedisValue>(self, connection: &mut Connection) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Command(command) => command.query_async(connection).await,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection, _) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection, _) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection, _) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Whether another connection is needed.
fn is_lost(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted(error)
}

fn is_demoted(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly))
}

fn failed(error: &RedisError) -> Error {
    // What Redis says itself, it says instead of doing it; only silence leaves it open.
    let told = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    if is_lost(error) && !told { unknown().because(error.clone()) } else { unreachable(error) }
}

fn unreachable(error: &RedisError) -> Error {
    let is = |kind| error.kind() == kind;
    let (kind, what) = if is(ErrorKind::AuthenticationFailed) {
        (Kind::Setting, "redis refuses the name or the password")
    } else if is(ErrorKind::Server(ServerErrorKind::NoPerm)) || error.code() == Some("NOAUTH") {
        (Kind::Setting, "redis does not let this user do what the store needs")
    } else if is(ErrorKind::InvalidClientConfig) {
        (Kind::Setting, "the redis settings cannot be used")
    } else if is(ErrorKind::MasterNameNotFoundBySentinel) {
        (Kind::Unavailable, "no sentinel knows a primary of that name that answers")
    } else if is_demoted(error) {
        (Kind::Unavailable, "redis is a replica, which writes nothing; name the primary, or its sentinels")
    } else {
        (Kind::Unavailable, "redis cannot be reached, or cannot do it now")
    };
    Error::new(kind, what).because(error.clone())
}

fn unknown() -> Error {
    Error::new(Kind::Unknown, "redis did not answer, and may have done it")
}
