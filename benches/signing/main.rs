//! Signing a request, beside aws-sigv4, reqsign, and the hashing that nobody gets around.
//!
//! `cargo bench --bench signing`
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

mod botocore;
mod layer;
mod ours;
mod peers;

use self::{
    layer::Layer,
    ours::Ours,
    peers::{AwsSigV4, Reqsign, bare, hashed_by_aws_lc},
};
use countersign_benches::{Contest, speedup};
use http::{HeaderValue, Request};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, time::Duration};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const URI: &str = "https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/warehouse/invocations";
const SERVICE: &str = "bedrock-agentcore";
const REGION: &str = "eu-west-1";
const ACCESS_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn main() {
    if std::env::args().any(|argument| argument == layer::MEMORY) {
        return layer::memory();
    }
    println!(
        "a session token of 1,024 bytes, eight headers; ratios to aws-sigv4 with the same signed headers"
    );
    for size in [0, 256, 4 * 1024, 64 * 1024, 1024 * 1024] {
        bodies(&vec![b'x'; size]);
    }
    credentials(&[b'x'; 256]);
    threads(&[b'x'; 256]);
    allocations(&[b'x'; 256]);
    python(&[b'x'; 256]);
    layer::last_byte();
    layer::memory_in_a_process_of_its_own();
}

/// One credential, one form, one second; then a new form each time.
fn bodies(body: &[u8]) {
    let ours = Ours::new();
    let aws = AwsSigV4::new();
    let reqsign = Reqsign::new();
    let layer = Layer::new(body);
    let mut paths = 0_u64;
    let medians = Contest::new(format!("a body of {} bytes", body.len()))
        .rounds(rounds(body))
        .entry_with("aws-sigv4, the same headers", request, |request| {
            aws.sign(request, body, Headers::Minimal)
        })
        .entry_with("aws-sigv4, as the SDK uses it", request, |request| aws.sign(request, body, Headers::All))
        .entry_with("reqsign", request, |request| reqsign.sign(request, body))
        .entry_with("countersign", request, |request| ours.sign(request, body))
        .entry_with(
            "countersign, every request of a new form",
            move || {
                paths += 1;
                request_to(&format!("{URI}/{paths:08}"))
            },
            |request| ours.sign(request, body),
        )
        .entry_with("countersign, the whole layer", || Some(layer.request()), |request| layer.call(request))
        .entry("nothing but SHA-256's blocks", || bare(body))
        .entry("the payload alone, by aws-lc-rs", || hashed_by_aws_lc(body))
        .run();
    if let [same, sdk, _, ours, new, layer, bare, _] = medians[..] {
        print_goals(&[
            ("faster than aws-sigv4 with the same headers", same, ours),
            ("faster than aws-sigv4 as the SDK uses it", sdk, ours),
            ("faster than aws-sigv4, every request of a new form", same, new),
            ("the bare blocks", ours, bare),
            ("faster than aws-sigv4 alone: the whole layer", same, layer),
        ]);
    }
}

/// Nothing to keep: callers whom nobody saw before, and callers who come once a second.
fn credentials(body: &[u8]) {
    const CALLERS: usize = 1_000;
    let aws = AwsSigV4::new();
    let callers: Vec<Ours> = (0..CALLERS).map(|_| Ours::new()).collect();
    let (mut turn, mut second) = (0, 0);
    let strangers = || (request(), Ours::new());
    let medians = Contest::new("a body of 256 bytes, and less to keep")
        .entry_with("aws-sigv4, the same headers", request, |request| {
            aws.sign(request, body, Headers::Minimal)
        })
        .entry_with("countersign, a new credential each time", strangers, |(request, ours)| {
            ours.sign(request, body);
        })
        .entry_with("countersign, 1,000 callers once a second", request, |request| {
            turn = (turn + 1) % CALLERS;
            second += u64::from(turn == 0);
            callers[turn].sign_at(request, body, Duration::from_secs(second))
        })
        .run();
    if let [aws, new, callers] = medians[..] {
        print_goals(&[
            ("faster than aws-sigv4, a new credential each time", aws, new),
            ("faster than aws-sigv4, 1,000 callers once a second", aws, callers),
        ]);
    }
}

fn threads(body: &[u8]) {
    let ours = Ours::new();
    let shared = || {
        let mut request = request();
        let ours = &ours;
        move || {
            ours.sign_again(&mut request, body);
        }
    };
    let own = || {
        let (mut request, ours) = (request(), Ours::new());
        move || ours.sign_again(&mut request, body)
    };
    println!("\ntwo threads, in signatures of one thread");
    println!("  {:<44} {:.2}", "nothing but SHA-256's blocks", speedup(2, 31, || || bare(body)));
    println!("  {:<44} {:.2}", "countersign, one credential for both", speedup(2, 31, shared));
    println!("  {:<44} {:.2}", "countersign, a credential for each", speedup(2, 31, own));
}

fn allocations(body: &[u8]) {
    const TIMES: usize = 1_000;
    let (ours, aws, reqsign) = (Ours::new(), AwsSigV4::new(), Reqsign::new());
    let count = |name: &str, sign: &dyn Fn(&mut Request<()>)| {
        for _ in 0..4 {
            sign(&mut request());
        }
        let mut requests: Vec<_> = (0..TIMES).map(|_| request()).collect();
        let region = Region::new(ALLOCATOR);
        for request in &mut requests {
            sign(request);
        }
        let change = region.change();
        println!("  {name:<44} {:.1}", to_f64(change.allocations + change.reallocations) / to_f64(TIMES));
    };
    println!("\nallocations for a signature, a body of 256 bytes");
    count("aws-sigv4, the same headers", &|request| aws.sign(request, body, Headers::Minimal));
    count("aws-sigv4, as the SDK uses it", &|request| aws.sign(request, body, Headers::All));
    count("reqsign", &|request| reqsign.sign(request, body));
    count("countersign", &|request| ours.sign(request, body));
}

/// AWS's Python beside ours, one after the other: they cannot take turns.
fn python(body: &[u8]) {
    println!("\nbotocore, in a process of its own, a body of {} bytes", body.len());
    match botocore::signature(body.len()) {
        Ok(botocore) => {
            let ours = Ours::new();
            let medians = Contest::new("and beside it")
                .entry_with("countersign", request, |request| ours.sign(request, body))
                .run();
            println!("  botocore takes {:.1} µs", botocore.as_secs_f64() * 1e6);
            print_goals(&[("faster than botocore", botocore, medians.first().copied().unwrap_or_default())]);
        }
        Err(why) => println!("  not measured: {why}"),
    }
}

/// Which headers a peer is told to sign.
#[derive(Clone, Copy)]
enum Headers {
    Minimal,
    All,
}

fn request() -> Request<()> {
    request_to(URI)
}

/// A call as an MCP client makes it; with room for what a signature adds.
fn request_to(uri: &str) -> Request<()> {
    let mut request = Request::post(uri).body(()).expect("the address is good");
    let headers = request.headers_mut();
    headers.reserve(12);
    for (name, value) in [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("user-agent", "countersign/0.1.0"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-session-id", "0b5c7f0e-2f0f-4a52-9f3d-1d3f6c2a7e11"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("idempotency-key", "8d3c2c70-3c1c-4c1d-a3cf-6d3a34f0b9be"),
        ("cache-control", "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    request
}

fn token() -> String {
    "IQoJb3JpZ2luX2VjE/+x".chars().cycle().take(1024).collect()
}

fn rounds(body: &[u8]) -> usize {
    if body.len() > 16 * 1024 { 151 } else { 501 }
}

fn print_goals(ratios: &[(&str, Duration, Duration)]) {
    for (name, slow, fast) in ratios {
        println!("  {:.2} × {name}", slow.as_secs_f64() / fast.as_secs_f64());
    }
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
