//! A service that knows its callers in a way of its own (here: API keys), and turns that into a proof.
//!
//! ```sh
//! cargo run --example own_identity
//! curl -i http://127.0.0.1:3000/whoami -H 'x-api-key: tea'
//! ```

use axum::{Router, extract::Request, middleware::Next, response::Response, routing::get};
use countersign::{
    ServiceBuilderExt,
    identity::{TrustIdentityLayer, TrustedIdentity},
    proof::{Authenticated, Operation},
};
use http::Extensions;
use std::error::Error;
use tower::ServiceBuilder;

/// What our own middleware leaves behind.
#[derive(Clone)]
struct ApiKeyHolder(&'static str);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new().route("/whoami", get(whoami)).layer(
        ServiceBuilder::new()
            .layer(axum::middleware::from_fn(look_up_api_key))
            .respond()
            .layer(TrustIdentityLayer::new(holder).for_router()),
    );

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn look_up_api_key(mut request: Request, next: Next) -> Response {
    let holder = match request.headers().get("x-api-key").and_then(|key| key.to_str().ok()) {
        Some("tea") => Some("alice"),
        Some("coffee") => Some("bob"),
        _ => None,
    };
    if let Some(name) = holder {
        request.extensions_mut().insert(ApiKeyHolder(name));
    }
    next.run(request).await
}

fn holder(found: &Extensions) -> Option<TrustedIdentity> {
    let ApiKeyHolder(name) = found.get()?;
    Some(TrustedIdentity::new("https://keys.example.com", *name))
}

/// The proof is what calls to backends start with.
async fn whoami(caller: Authenticated) -> Result<String, countersign::Error> {
    let name = caller.identity().subject().to_owned();
    let outgoing = caller.about(Operation::on("warehouse")).attach(Request::new("a query"))?;
    Ok(format!("{name} would send {:?}\n", outgoing.body().body()))
}
