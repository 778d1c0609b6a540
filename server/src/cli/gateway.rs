use super::Failure;
use crate::{
    config::resolved,
    http::{ENDPOINT, router},
    mcp::{Connect, Relay},
    store::{self, Connections, Store},
    upstream::{self, Tokens},
};
use axum::{Router, http::Uri};
use countersign::identity::Verifier;
use futures_util::future::join_all;
use std::{future::Future, net::SocketAddr, time::Duration};
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
}

impl Gateway {
    /// Opens the store, takes the port, which the address that callers use may follow from, and puts everything together.
    pub(super) async fn bind(mut config: resolved::Gateway) -> Result<Self, Failure> {
        let store = match config.store.take() {
            Some(settings) => Some(Store::described(settings).await.map_err(|error| cannot_keep(&error))?),
            None => None,
        };
        Self::over(config, store).await
    }

    /// The same over a store that is open.
    pub(super) async fn over(config: resolved::Gateway, store: Option<Store>) -> Result<Self, Failure> {
        let resolved::Gateway { listen, public_url, issuers, backends, endpoint, providers, .. } = config;
        let cannot_listen = |error| cannot_listen(listen, &error);
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let bound = listener.local_addr().map_err(cannot_listen)?;
        let public_url = match public_url {
            Some(url) => url,
            None => Uri::try_from(format!("http://{bound}"))
                .map_err(|error| Failure::fault(error, "the address that was taken"))?,
        };
        let resource = format!("{}{ENDPOINT}", public_url.to_string().trim_end_matches('/'));
        let names: Vec<String> = issuers.iter().map(|issuer| issuer.name().to_owned()).collect();
        let verifier = issuers
            .into_iter()
            .fold(Verifier::builder(), |builder, issuer| builder.trust(issuer.expecting(&resource)))
            .build()
            .map_err(|error| Failure::usage(error.to_string(), "identity.issuers", "correct the issuer"))?;
        let tokens = store
            .zip(providers)
            .map(|(store, providers)| Tokens::new(Connections::new(store), providers.refresh()));
        let backends = backends.into_iter().map(|backend| upstream::backend(backend, tokens.as_ref()));
        let backends = backends.collect::<Result<Vec<_>, _>>().map_err(|error| {
            let remedy = "look at the certificates that this machine trusts";
            Failure::usage(format!("no client can be made: {error}"), "the backends", remedy)
        })?;
        let relay = Relay::new(backends.clone(), endpoint, Connect::at(&public_url))
            .ok_or_else(|| Failure::fault("there is none", "this system's randomness"))?;
        let app = router(&public_url, &names, verifier, relay);
        Ok(Self { listener, listen, public_url, app, backends })
    }

    /// Where clients speak MCP.
    pub(super) fn endpoint(&self) -> String {
        format!("{}{ENDPOINT}", self.public_url.to_string().trim_end_matches('/'))
    }

    /// Serves until `stop`, and then gives what is in progress a moment to finish.
    pub(super) async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
        let listen = self.listen;
        let (tell, mut told) = watch::channel(());
        let serving = axum::serve(self.listener, self.app).with_graceful_shutdown(async move {
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
        };
        // Whatever happened, no program outlives this one.
        join_all(self.backends.iter().map(upstream::Backend::close)).await;
        served
    }
}

fn cannot_listen(listen: SocketAddr, error: &std::io::Error) -> Failure {
    let remedy = "choose another address; port 0 takes any that is free";
    Failure::usage(format!("cannot listen: {error}"), format!("--listen {listen}"), remedy)
}

fn cannot_keep(error: &store::Error) -> Failure {
    let remedy = "look at the store that `store` describes";
    Failure::usage(format!("the store cannot be used: {}", chain(error)), "store", remedy)
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, below| format!("{text}: {below}"))
}
