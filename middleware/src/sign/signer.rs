use super::{
    Keys, SignedHeaders, SignedPayload, SigningTarget, address,
    headers::{Survey, Unsurveyed, cleaned},
    payload::PayloadText,
    prepared::{self, Signature},
    reference::{self, unsignable},
    time::Moment,
};
use crate::{error::Error, proof::AwsCredentials};
use http::{HeaderMap, HeaderName, Method, Request, Uri, header, request::Parts};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// Signs requests, without tower and without a proof: for whoever sends them by other means.
///
/// Clones are cheap, and any number of threads may sign with one. There is no lock: what is prepared is kept with the
/// [`Keys`], as an immutable state of each second.
///
/// ```
/// use countersign::{
///     clock::{Clock, SystemClock},
///     sign::{Keys, SignedPayload, Signer, SigningTarget},
/// };
/// use http::Request;
///
/// let keys = Keys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
/// let signer = Signer::new(SigningTarget::new("execute-api", "eu-west-1")?);
///
/// let mut request = Request::post("https://abc.execute-api.eu-west-1.amazonaws.com/v1/things").body("{}")?;
/// let payload = SignedPayload::Bytes(request.body().as_bytes());
/// signer.sign(&mut request, payload, &keys, SystemClock.now())?;
/// assert!(request.headers().contains_key("x-amz-date"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signer {
    target: SigningTarget,
    signed_headers: SignedHeaders,
    handed_over: Arc<AtomicU64>,
}

/// What computed a signature. There is no other difference between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The one that keeps what two signatures have in common.
    Prepared,
    /// aws-sigv4, for requests that are not of the common form: a header that is there twice or has unusual space
    /// in it, dot segments in the path, a query that is no UTF-8, more than 28 signed headers.
    Reference,
}

/// What of a request is signed.
struct Draft<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

/// What a request is changed to, once all went well.
struct Signed {
    engine: Engine,
    uri: Option<Uri>,
    headers: Option<HeaderMap>,
    signature: Signature,
}

impl Signer {
    /// Signs for `target`.
    pub fn new(target: SigningTarget) -> Self {
        Self { target, signed_headers: SignedHeaders::default(), handed_over: Arc::default() }
    }

    /// Covers other headers than the [least](SignedHeaders::Minimal).
    #[must_use]
    pub fn with_signed_headers(mut self, which: SignedHeaders) -> Self {
        self.signed_headers = which;
        self
    }

    /// Whom the signatures are for.
    pub fn target(&self) -> &SigningTarget {
        &self.target
    }

    /// Signs a request whose payload is, or will be, `payload`.
    ///
    /// What a signature of somebody else's left on the request is taken off, as is what belongs to one connection.
    /// Nothing else may be changed afterwards but headers that are not signed.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsignable`](crate::Kind::Unsignable) when the address names no host, or is neither https nor this
    /// machine; when a header that has to be signed is no plain text; when `now` is no time that can be named. The
    /// request is as it was then.
    pub fn sign<B>(
        &self,
        request: &mut Request<B>,
        payload: SignedPayload<'_>,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<Engine, Error> {
        let draft = Draft { method: request.method(), uri: request.uri(), headers: request.headers() };
        let Signed { engine, uri, headers, signature } =
            self.compute(&draft, &payload, keys.credentials(), now)?;
        if let Some(uri) = uri {
            *request.uri_mut() = uri;
        }
        signature.put(headers, request.headers_mut());
        Ok(engine)
    }

    /// [`sign`](Self::sign) for a request that was taken apart.
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign).
    pub fn sign_parts(
        &self,
        parts: &mut Parts,
        payload: SignedPayload<'_>,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<Engine, Error> {
        self.sign_for(parts, &payload, keys.credentials(), now)
    }

    /// [`sign`](Self::sign) by the reference, whatever the form: to compare with.
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign).
    pub fn sign_by_reference(
        &self,
        parts: &mut Parts,
        payload: SignedPayload<'_>,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<(), Error> {
        let payload = PayloadText::of(&payload);
        let uri = address::as_sent(&parts.uri)?;
        let draft = Draft {
            method: &parts.method,
            uri: uri.as_ref().unwrap_or(&parts.uri),
            headers: &cleaned(&parts.headers, address::host(uri.as_ref().unwrap_or(&parts.uri))),
        };
        let signature = self.ask_reference(&draft, &payload, keys.credentials(), now)?;
        let headers = draft.headers.clone();
        parts.uri = uri.unwrap_or_else(|| parts.uri.clone());
        signature.put(Some(headers), &mut parts.headers);
        Ok(())
    }

    /// How many requests were not of the common form so far, and went to [`Engine::Reference`]. Clones count
    /// together.
    pub fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn sign_for(
        &self,
        parts: &mut Parts,
        payload: &SignedPayload<'_>,
        credentials: &AwsCredentials,
        now: SystemTime,
    ) -> Result<Engine, Error> {
        let draft = Draft { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        let Signed { engine, uri, headers, signature } = self.compute(&draft, payload, credentials, now)?;
        if let Some(uri) = uri {
            parts.uri = uri;
        }
        signature.put(headers, &mut parts.headers);
        Ok(engine)
    }

    #[inline]
    fn compute(
        &self,
        draft: &Draft<'_>,
        payload: &SignedPayload<'_>,
        credentials: &AwsCredentials,
        now: SystemTime,
    ) -> Result<Signed, Error> {
        let uri = address::as_sent(draft.uri)?;
        let sent = uri.as_ref().unwrap_or(draft.uri);
        let host = address::host(sent);
        let payload = PayloadText::of(payload);
        let moment = Moment::of(now).ok_or_else(no_moment)?;
        let mut headers = None;
        let survey = match Survey::of(draft.headers, host, self.signed_headers) {
            Err(Unsurveyed::Stale) => {
                Survey::of(headers.insert(cleaned(draft.headers, host)), host, self.signed_headers)
            }
            survey => survey,
        };
        if let Ok(survey) = survey {
            let request = prepared::Request {
                method: draft.method,
                uri: sent,
                host,
                headers: &survey,
                payload: &payload,
            };
            if let Some(signature) = prepared::sign(&request, credentials, &self.target, moment) {
                return Ok(Signed { engine: Engine::Prepared, uri, headers, signature });
            }
        }
        let cleaned =
            Draft { method: draft.method, uri: sent, headers: headers.as_ref().unwrap_or(draft.headers) };
        let signature = self.ask_reference(&cleaned, &payload, credentials, now)?;
        self.count_hand_over();
        Ok(Signed { engine: Engine::Reference, uri, headers, signature })
    }

    /// Of a draft whose address and headers are as they are sent.
    fn ask_reference(
        &self,
        draft: &Draft<'_>,
        payload: &PayloadText,
        credentials: &AwsCredentials,
        now: SystemTime,
    ) -> Result<Signature, Error> {
        Moment::of(now).ok_or_else(no_moment)?;
        let Draft { method, uri, headers } = *draft;
        let (host, which) = (address::host(uri), self.signed_headers);
        let request = reference::Request { method, uri, host, headers, which, payload };
        reference::sign(&request, credentials, &self.target, now)
    }

    #[cold]
    fn count_hand_over(&self) {
        self.handed_over.fetch_add(1, Ordering::Relaxed);
        tracing::trace!(
            service = self.target.service(),
            "a request of an uncommon form was signed by aws-sigv4"
        );
    }
}

impl Signature {
    /// Puts it onto the headers, or onto those that take their place.
    #[inline]
    fn put(self, cleaned: Option<HeaderMap>, headers: &mut HeaderMap) {
        if let Some(cleaned) = cleaned {
            *headers = cleaned;
        }
        headers.insert(header::AUTHORIZATION, self.authorization);
        headers.insert(DATE, self.date);
        if let Some(token) = self.token {
            headers.insert(TOKEN, token);
        }
        if let Some(hash) = self.content_hash {
            headers.insert(CONTENT_HASH, hash);
        }
    }
}

fn no_moment() -> Error {
    unsignable("the clock tells a year that no signature can name")
}

const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
