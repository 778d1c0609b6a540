//! The whole layer, and what it does after a body's last byte.

use crate::{ACCESS_KEY_ID, REGION, SECRET, SERVICE, request, token};
use bytes::Bytes;
use countersign::{
    BoxError,
    clock::{Clock, SystemClock},
    outgoing::Payload,
    proof::{Carry, ForwardHeaders, NoCaller},
    sign::{SignRequest, SignRequestLayer, SigningTarget},
    sts::{ServiceCredentials, ServiceCredentialsLayer, StaticKeys},
    transmit::Transmit,
};
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::{
    any::Any,
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    process::Command,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};
use tower::{Layer as _, Service};

/// Credentials, a signature, and nobody to send it to.
pub(crate) struct Layer {
    stack: ServiceCredentials<SignRequest<Transmit<Nobody>>>,
    body: Bytes,
    headers: HeaderMap,
}

/// Answers with what it was given, and when.
#[derive(Clone, Copy)]
pub(crate) struct Nobody;

/// Kept, so that dropping it is not timed.
pub(crate) struct Sent {
    at: Instant,
    _headers: HeaderMap,
    _body: Box<dyn Any>,
}

/// One moment for good: nothing of a second's beginning is timed here.
#[derive(Debug)]
struct Frozen(SystemTime);

type Outbound<B> = Request<Carry<NoCaller, B>>;

impl Layer {
    pub(crate) fn new(body: &[u8]) -> Self {
        let headers = request().headers().clone();
        Self { stack: stack(), body: Bytes::copy_from_slice(body), headers }
    }

    pub(crate) fn request(&self) -> Outbound<Full<Bytes>> {
        outbound(&self.headers, Full::new(self.body.clone()))
    }

    pub(crate) fn call(&self, request: &mut Option<Outbound<Full<Bytes>>>) -> Response<Sent> {
        let request = request.take().expect("a request is sent once");
        self.stack.clone().call(request).now_or_never().expect("nothing waits").expect("it is sent")
    }
}

impl<B: 'static> Service<Request<Payload<B>>> for Nobody {
    type Response = Response<Sent>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload<B>>) -> Self::Future {
        let at = Instant::now();
        let (parts, body) = request.into_parts();
        ready(Ok(Response::new(Sent { at, _headers: parts.headers, _body: Box::new(body) })))
    }
}

impl Clock for Frozen {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// From the moment in which a body that arrives in pieces has given its last one, until the request is signed.
pub(crate) fn last_byte() {
    println!(
        "\nfrom a body's last byte to the signature; a body in pieces of 16 KiB (the last one of 64 bytes)"
    );
    let headers = request().headers().clone();
    for size in [256, 64 * 1024, 1024 * 1024, 10 * 1024 * 1024] {
        let mut stack = stack();
        let rounds = if size > 1024 * 1024 { 31 } else { 301 };
        let mut samples: Vec<Duration> = (0..rounds)
            .map(|_| {
                let ended = Rc::new(Cell::new(None));
                let body =
                    Arriving { left: size, piece: Bytes::from(vec![b'x'; 16 * 1024]), ended: ended.clone() };
                let answer = stack.call(outbound(&headers, body)).now_or_never();
                let sent = answer.expect("nothing waits").expect("it is sent").into_body();
                sent.at - ended.get().expect("the body was read")
            })
            .collect();
        samples.sort_unstable();
        println!("  {size:>9} bytes  {:>8.3} µs", samples[rounds / 2].as_secs_f64() * 1e6);
    }
}

/// The argument that asks for [`memory`] and nothing else.
pub(crate) const MEMORY: &str = "--memory";

/// The peak of a process that does nothing else: what came before would hide it.
pub(crate) fn memory_in_a_process_of_its_own() {
    let own = std::env::current_exe().expect("a running program is a file");
    let status = Command::new(own).arg(MEMORY).status().expect("it can be started again");
    assert!(status.success());
}

/// How much memory one streamed body of 10 MiB takes, by the kernel's books.
pub(crate) fn memory() {
    const SIZE: usize = 10 * 1024 * 1024;
    let headers = request().headers().clone();
    let mut stack = stack();
    let mut send = |size| {
        let body = Arriving { left: size, piece: Bytes::from(vec![b'x'; 16 * 1024]), ended: Rc::default() };
        stack.call(outbound(&headers, body)).now_or_never().expect("nothing waits").expect("it is sent")
    };
    drop(send(64 * 1024));
    let before = peak();
    let sent = send(SIZE);
    println!("\na streamed body of {} KiB takes {} KiB of memory at most", SIZE / 1024, peak() - before);
    drop(sent);
}

/// The largest resident set so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel keeps books");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("and this is in them");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

/// A body that comes in pieces, and remembers when it was asked for the last time.
struct Arriving {
    left: usize,
    piece: Bytes,
    ended: Rc<Cell<Option<Instant>>>,
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // Small, so that hashing what has just arrived is not what is timed.
        let last = 64;
        let next = if self.left > last { (self.left - last).min(self.piece.len()) } else { self.left };
        self.left -= next;
        let piece = self.piece.slice(..next);
        if self.left == 0 {
            self.ended.set(Some(Instant::now()));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn stack() -> ServiceCredentials<SignRequest<Transmit<Nobody>>> {
    let keys = StaticKeys::new(ACCESS_KEY_ID, SECRET.into()).with_session_token(token().into());
    let target = SigningTarget::new(SERVICE, REGION).expect("it is a target");
    let sign = SignRequestLayer::new(target).with_clock(Arc::new(Frozen(SystemClock.now())));
    ServiceCredentialsLayer::new(keys).layer(sign.layer(Transmit::dangerous_over(Nobody)))
}

fn outbound<B>(headers: &HeaderMap, body: B) -> Outbound<B> {
    let mut request = NoCaller::attach(
        Request::post(crate::URI).body(body).expect("it is good"),
        &ForwardHeaders::default(),
    );
    let mut all = HeaderMap::with_capacity(14);
    all.extend(headers.clone());
    *request.headers_mut() = all;
    request
}
