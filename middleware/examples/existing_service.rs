//! An ordinary axum service, and the stack that lets in whoever an identity provider vouches for.
//!
//! ```sh
//! cargo run --example existing_service -- https://login.example.com http://127.0.0.1:3000
//! curl -i http://127.0.0.1:3000/whoami -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! The second argument is what the tokens' `aud` has to be. Without a token, the answer says where to read about
//! the service and who issues tokens for it: `curl http://127.0.0.1:3000/.well-known/oauth-protected-resource`.
//!
//! An issuer to try it with: `cargo run -p countersign-fixtures -- idp` prints its address, and how to get a token.

use axum::{Json, Router, routing::get};
use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
    proof::Identity,
    respond::OAuth,
};
use serde_json::json;
use std::error::Error;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: existing_service ISSUER AUDIENCE".into());
    };

    let described = json!({
        "resource": audience,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    });

    let verifier = Verifier::builder().trust(Issuer::new(issuer, audience)).build()?;
    let metadata = "http://127.0.0.1:3000/.well-known/oauth-protected-resource";
    let app = Router::new().route("/whoami", get(whoami)).layer(
        ServiceBuilder::new()
            .respond_with(OAuth::new().with_resource_metadata(metadata))
            .verify_identity_for_router(verifier),
    );
    // After the layer and so outside of it: whoever reads this has no token yet.
    let app = app.route("/.well-known/oauth-protected-resource", get(async move || Json(described)));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn whoami(caller: Identity) -> String {
    format!("{} says you are {}\n", caller.issuer(), caller.subject())
}
