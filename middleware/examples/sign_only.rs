//! Nothing but fast signatures: no tower, no proof of who is calling, no request sent.
//!
//! ```sh
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… \
//!   cargo run --example sign_only -- https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/x/invocations '{}'
//! ```
//!
//! Service and region follow from the host. The example prints the headers that a client of your choice would send,
//! less the session token, and how long a signature takes once the first ones are made.

use countersign::{
    clock::{Clock, SystemClock},
    sign::{Keys, SignedPayload, Signer, SigningTarget},
};
use http::{Request, Uri, header};
use std::{
    env,
    error::Error,
    thread,
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = env::args().skip(1);
    let address: Uri = arguments
        .next()
        .unwrap_or_else(|| "https://abc.execute-api.eu-west-1.amazonaws.com/v1/things".to_owned())
        .parse()?;
    let body = arguments.next().unwrap_or_else(|| "{}".to_owned());

    let signer = Signer::new(SigningTarget::of_host(address.host().unwrap_or_default())?);
    let keys = keys();

    let mut request = unsigned(&address)?;
    let engine =
        signer.sign(&mut request, SignedPayload::Bytes(body.as_bytes()), &keys, SystemClock.now())?;
    println!("{} {address} for {}, by {engine:?}", request.method(), signer.target().service());
    for (name, value) in request.headers().iter().filter(|(_, value)| !value.is_sensitive()) {
        println!("{name}: {}", value.to_str()?);
    }

    // Signer and keys are shared as they are: there is no lock in them.
    let times = thread::scope(|scope| {
        let threads = [(), ()].map(|()| scope.spawn(|| time(&signer, &keys, &address, body.as_bytes())));
        threads.map(|thread| thread.join().unwrap_or_else(|_| Err("a thread gave up".into())))
    });
    for time in times {
        println!("a signature takes {:?}", time?);
    }
    Ok(())
}

/// The usual variables, or the keys that AWS prints in its own examples.
fn keys() -> Keys {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let id = variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "AKIDEXAMPLE".to_owned());
    let secret = variable("AWS_SECRET_ACCESS_KEY")
        .unwrap_or_else(|| "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
    match variable("AWS_SESSION_TOKEN") {
        Some(token) => Keys::of_session(id, secret.into(), token.into()),
        None => Keys::new(id, secret.into()),
    }
}

fn unsigned(address: &Uri) -> Result<Request<()>, http::Error> {
    Request::post(address.clone()).header(header::CONTENT_TYPE, "application/json").body(())
}

fn time(
    signer: &Signer,
    keys: &Keys,
    address: &Uri,
    body: &[u8],
) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    const TIMES: u32 = 10_000;
    let mut spent = Duration::ZERO;
    for _ in 0..TIMES {
        let mut request = unsigned(address)?;
        let start = Instant::now();
        signer.sign(&mut request, SignedPayload::Bytes(body), keys, SystemClock.now())?;
        spent += start.elapsed();
    }
    Ok(spent / TIMES)
}
