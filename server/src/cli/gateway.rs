use super::{Failure, inbox::Inbox};
use crate::{
    config::{
        callers::Callers,
        resolved::{self, ENDPOINT, own_address},
    },
    http::{Admitted, router},
    issuer::{AuthorizationServer, Whose},
    mcp::{Connect, Relay},
    store::{self, Connections, Store},
    upstream::{self, Tokens},
};
use axum::{Router, http::Uri};
use countersign::{
    clock::SystemClock,
    identity::{self, Verifier, VerifierBuilder},
};
use futures_util::future::join_all;
use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};

/// How long requests in progress may take once the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A gateway that has its port, and is ready to serve.
#[derive(Debug)]
pub(super) struct Gateway {
    listener: TcpListener,
    listen: SocketAddr,
    public_url: Uri,
    app: Router,
    backends: Vec<upstream::Backend>,
    signs_in: Option<AuthorizationServer>,
    relay: Arc<Relay>,
    /// Where somebody on this machine asks for a sign-in to be ended.
    inbox: Option<Inbox>,
}

impl Gateway {
    /// Opens the store, takes the port, which the address that callers use may follow from, and puts everything together.
    pub(super) async fn bind(mut config: resolved::Gateway) -> Result<Self, Failure> {
        let Some(settings) = config.store.take() else { return Box::pin(Self::over(config, None)).await };
        let inbox = Inbox::beside(&settings);
        let store = Box::pin(Store::described(settings)).await.map_err(|error| cannot_keep(&error))?;
        Ok(Self { inbox, ..Box::pin(Self::over(config, Some(store))).await? })
    }

    /// The same over a store that is open.
    pub(super) async fn over(config: resolved::Gateway, store: Option<Store>) -> Result<Self, Failure> {
        let resolved::Gateway {
            listen,
            public_url,
            trusted_proxies,
            callers,
            backends,
            endpoint,
            authorization_server,
            ..
        } = config;
        let cannot_listen = |error| cannot_listen(listen, &error);
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let bound = listener.local_addr().map_err(cannot_listen)?;
        let public_url = match public_url {
            Some(url) => url,
            None => Uri::try_from(format!("http://{bound}"))
                .map_err(|error| Failure::fault(error, "the address that was taken"))?,
        };
        let issuer = own_address(&public_url);
        let resource = format!("{issuer}{ENDPOINT}");
        let signs_in = match authorization_server.zip(store.clone()) {
            Some((config, store)) => {
                let clock = Arc::new(SystemClock);
                let opened = AuthorizationServer::open(config, &store, &issuer, &resource, clock);
                let opened = Box::pin(opened).await;
                let opened = opened.map_err(|fault| {
                    let remedy = "look at the store that `store` describes";
                    Failure::usage(chain(&fault), "authorization_server", remedy)
                })?;
                Some((opened, Connections::new(store)))
            }
            None => None,
        };
        if let Some((server, _)) = &signs_in {
            for minted in backends.iter().filter_map(|backend| backend.reached.minted()) {
                let web_identities = server.web_identities();
                minted.by.is_done_by(move |order| web_identities.mint(order));
            }
        }
        let own = signs_in.as_ref().map(|(server, _)| (issuer.clone(), server.trusted()));
        let admitted = admitted(callers, own, &resource)?;
        let tokens =
            signs_in.as_ref().map(|(server, connections)| Tokens::new(connections.clone(), server.renewal()));
        let backends = backends.into_iter().map(|backend| upstream::backend(backend, tokens.as_ref()));
        let backends = backends.collect::<Result<Vec<_>, _>>().map_err(|error| {
            let remedy = "look at the certificates that this machine trusts";
            Failure::usage(format!("no client can be made: {error}"), "the backends", remedy)
        })?;
        let signs_in = signs_in.map(|(server, _)| server);
        let connect = Connect::at(&public_url, signs_in.as_ref().map(AuthorizationServer::tickets));
        let shared = store.filter(Store::may_be_shared);
        let relay = Relay::new(backends.clone(), endpoint, connect, shared)
            .map(Arc::new)
            .ok_or_else(|| Failure::fault("there is none", "this system's randomness"))?;
        let app = router(&public_url, admitted, trusted_proxies, relay.clone(), signs_in.as_ref());
        Ok(Self { listener, listen, public_url, app, backends, signs_in, relay, inbox: None })
    }

    /// Where clients speak MCP.
    pub(super) fn endpoint(&self) -> String {
        format!("{}{ENDPOINT}", own_address(&self.public_url))
    }

    /// What ends sign-ins; `None` where nobody signs in here.
    #[cfg(test)]
    pub(super) fn revocations(&self) -> Option<crate::issuer::Revocations> {
        self.signs_in.as_ref().map(AuthorizationServer::revocations)
    }

    #[cfg(test)]
    pub(super) fn listens(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.listen)
    }

    /// Serves until `stop`, and then gives what is in progress a moment to finish.
    pub(super) async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
        let listen = self.listen;
        let (tell, mut told) = watch::channel(());
        let app = self.app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(self.listener, app).with_graceful_shutdown(async move {
            stop.await;
            tell.send_replace(());
        });
        let out_of_patience = async {
            // Whoever listens to a session would keep us here for ever.
            if told.changed().await.is_ok() {
                tokio::time::sleep(DRAIN).await;
            }
        };
        let served = tokio::select! {
            served = serving => served.map_err(|error| cannot_listen(listen, &error)),
            () = out_of_patience => Ok(()),
            () = upstream::watch(&self.backends) => Ok(()),
            () = Box::pin(self.relay.heed()) => Ok(()),
            () = Box::pin(tend(self.signs_in.as_ref(), &self.backends, self.inbox.as_ref())) => Ok(()),
        };
        // Whatever happened, no program outlives this one.
        join_all(self.backends.iter().map(upstream::Backend::close)).await;
        served
    }
}

/// Who is let in at `resource`: `own` is this server itself, where it signs people in.
fn admitted(
    callers: Callers,
    own: Option<(String, identity::Issuer)>,
    resource: &str,
) -> Result<Admitted, Failure> {
    let Callers::Known(issuers) = callers else { return Ok(Admitted::Anybody) };
    let others = issuers.into_iter().map(|issuer| (issuer.name().to_owned(), issuer.expecting(resource)));
    let (issuers, trusted): (Vec<_>, Vec<_>) = own.into_iter().chain(others).unzip();
    let verifier = trusted.into_iter().fold(Verifier::builder(), VerifierBuilder::trust).build();
    let verifier = verifier
        .map_err(|error| Failure::usage(error.to_string(), "identity.issuers", "correct the issuer"))?;
    Ok(Admitted::Verified { issuers, verifier })
}

/// Looks after what signs people in; for ever where nothing does.
async fn tend(signs_in: Option<&AuthorizationServer>, backends: &[upstream::Backend], inbox: Option<&Inbox>) {
    let Some(server) = signs_in else { return std::future::pending().await };
    let forget = |issuer: &str, whose: &Whose| {
        let subject = match whose {
            // Whoever has another sign-in has the same credentials.
            Whose::SignIn(_) => return,
            Whose::Person(subject) => Some(subject.as_str()),
            // Which people came through a client is not known here: everybody asks AWS again.
            Whose::Client(_) | Whose::Everybodys => None,
        };
        for backend in backends {
            backend.forget_credentials(issuer, subject);
        }
    };
    let asked = async {
        match inbox {
            Some(inbox) => inbox.answer(server).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = server.tend(forget) => {}
        () = asked => {}
    }
}

fn cannot_listen(listen: SocketAddr, error: &std::io::Error) -> Failure {
    let remedy = "choose another address; port 0 takes any that is free";
    Failure::usage(format!("cannot listen: {error}"), format!("--listen {listen}"), remedy)
}

pub(super) fn cannot_keep(error: &store::Error) -> Failure {
    let remedy = "look at the store that `store` describes";
    Failure::usage(format!("the store cannot be used: {}", chain(error)), "store", remedy)
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, below| format!("{text}: {below}"))
}
