use super::{
    Keys, Signer, SigningTarget,
    payload::PayloadText,
    reference::{self, failed, unsignable},
    target::Algorithm,
    time::Moment,
};
use crate::error::Error;
use aws_sigv4::{SigningOutput, event_stream, http_request::SigningError};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use http::{Request, header};
use std::{fmt, time::SystemTime};

/// Signs the messages of an event stream, each one after the one before it: what Transcribe, Lex or Bedrock's
/// bidirectional models are spoken to in.
///
/// [`Signer::sign_events`] signs the request and makes one of these; what it returns is written to the request's body, in
/// the order in which it was signed.
///
/// ```
/// use countersign::{
///     clock::{Clock, SystemClock},
///     sign::{Keys, Signer, SigningTarget},
/// };
/// use http::Request;
///
/// let keys = Keys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
/// let signer = Signer::new(SigningTarget::new("transcribe", "eu-west-1")?);
/// let mut request = Request::post("https://transcribestreaming.eu-west-1.amazonaws.com/stream-transcription")
///     .header("content-type", "application/vnd.amazon.eventstream")
///     .body(())?;
/// let mut events = signer.sign_events(&mut request, &keys, SystemClock.now())?;
///
/// let headers = [(":message-type", "event"), (":event-type", "AudioEvent")];
/// let first = events.sign(&headers, b"\x00\x01".as_slice(), SystemClock.now())?;
/// let last = events.end(SystemClock.now())?;
/// # let _ = (first, last);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventSigner {
    target: SigningTarget,
    keys: Keys,
    /// The signature of the message before, or of the request, in hexadecimal.
    before: String,
}

/// What stands in place of the payload's hash where the payload is signed message by message.
pub(super) const PAYLOAD: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";

impl Signer {
    /// Signs a request whose body is an event stream, for an [`EventSigner`] to go on from.
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign), and when the target is for [several regions](SigningTarget::across): no such
    /// signatures of messages are known.
    pub fn sign_events<B>(
        &self,
        request: &mut Request<B>,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<EventSigner, Error> {
        if self.target().algorithm() != Algorithm::V4 {
            return Err(unsignable("an event stream is signed for one region"));
        }
        let signer = self.clone().with_content_hash();
        signer.sign_text(request, &PayloadText::Events, keys.credentials(), now)?;
        let signature = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.rsplit_once("Signature="))
            .map(|(_, signature)| signature.to_owned());
        let before =
            signature.ok_or_else(|| unsignable("the request's signature is not where it belongs"))?;
        Ok(EventSigner { target: self.target().clone(), keys: keys.clone(), before })
    }
}

impl EventSigner {
    /// The next message, encoded and signed. Headers are text, as in `:event-type`.
    ///
    /// # Errors
    ///
    /// When a header's name or value is longer than a message can say, or the clock tells no year that can be named.
    pub fn sign(
        &mut self,
        headers: &[(&str, &str)],
        payload: impl Into<Bytes>,
        now: SystemTime,
    ) -> Result<Bytes, Error> {
        let text = |value: &str| HeaderValue::String(value.to_owned().into());
        let headers = headers.iter().map(|(name, value)| Header::new((*name).to_owned(), text(value)));
        let message = Message::new_from_parts(headers.collect(), payload.into());
        self.next(now, |before, parameters| event_stream::sign_message(&message, before, parameters))
    }

    /// The message that says that there is no other.
    ///
    /// # Errors
    ///
    /// When the clock tells no year that can be named.
    pub fn end(mut self, now: SystemTime) -> Result<Bytes, Error> {
        self.next(now, event_stream::sign_empty_message)
    }

    fn next(
        &mut self,
        now: SystemTime,
        sign: impl for<'b> Fn(
            &'b str,
            &'b event_stream::SigningParams<'b>,
        ) -> Result<SigningOutput<Message>, SigningError>,
    ) -> Result<Bytes, Error> {
        Moment::of(now).ok_or_else(|| unsignable("the clock tells a year that no signature can name"))?;
        let identity: Identity = reference::identity(self.keys.credentials()).into();
        let parameters = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(self.target.region())
            .name(self.target.service())
            .time(now)
            .settings(())
            .build()
            .map_err(failed)?;
        let (message, signature) = sign(&self.before, &parameters).map_err(failed)?.into_parts();
        let mut encoded = Vec::new();
        write_message_to(&message, &mut encoded).map_err(failed)?;
        self.before = signature;
        Ok(encoded.into())
    }
}

impl fmt::Debug for EventSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSigner")
            .field("target", &self.target)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
