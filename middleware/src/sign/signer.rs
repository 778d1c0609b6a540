use super::{
    Keys, SignedHeaders, SignedPayload, SigningTarget, address,
    headers::{Survey, Unsurveyed, cleaned},
    payload::PayloadText,
    prepared::{self, Signature},
    reference::{self, Readable, failed, unsignable},
    target::Algorithm,
    time::Moment,
};
use crate::{error::Error, proof::AwsCredentials};
use http::{
    HeaderMap, HeaderName, Method, Request, Uri, header,
    request::Parts,
    uri::{Authority, InvalidUri},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
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
    content_hash: bool,
    /// Signed in place of the address's own.
    host: Option<Arc<str>>,
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
        let content_hash = target.wants_content_hash();
        let signed_headers = SignedHeaders::default();
        Self { target, signed_headers, content_hash, host: None, handed_over: Arc::default() }
    }

    /// Covers other headers than the [least](SignedHeaders::Minimal).
    #[must_use]
    pub fn with_signed_headers(mut self, which: SignedHeaders) -> Self {
        self.signed_headers = which;
        self
    }

    /// Says the payload's hash in `x-amz-content-sha256` as well. S3, OpenSearch Serverless, Glacier and VPC Lattice
    /// want it and get it without being asked to.
    #[must_use]
    pub fn with_content_hash(mut self) -> Self {
        self.content_hash = true;
        self
    }

    /// Signs `host` in place of the address's own, for a proxy on the way that puts this one in. What is sent from here
    /// still names the address's.
    ///
    /// ```
    /// use countersign::sign::{Signer, SigningTarget};
    ///
    /// let signer = Signer::new(SigningTarget::new("execute-api", "eu-west-1")?)
    ///     .with_signed_host(&"abc.execute-api.eu-west-1.amazonaws.com".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_signed_host(mut self, host: &Authority) -> Self {
        let named = match host.port() {
            Some(port) => format!("{}:{port}", host.host()),
            None => host.host().to_owned(),
        };
        self.host = Some(named.into());
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
        self.sign_text(request, &PayloadText::of(&payload), keys.credentials(), now)
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

    /// The address of a request that is signed in its query, so that whoever has it may send it for a while: for
    /// `valid_for`, whole seconds up to seven days, and no longer than the keys live.
    ///
    /// The request must then be sent with its method, with the headers that are signed (`host`, and of those that it
    /// has, what [`SignedHeaders`] says) and with the payload that is given here. S3 takes [`SignedPayload::Unsigned`].
    ///
    /// ```
    /// use countersign::{
    ///     clock::{Clock, SystemClock},
    ///     sign::{Keys, SignedPayload, Signer, SigningTarget},
    /// };
    /// use http::Request;
    /// use std::time::Duration;
    ///
    /// let keys = Keys::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
    /// let signer = Signer::new(SigningTarget::new("s3", "eu-west-1")?);
    /// let request = Request::get("https://bucket.s3.eu-west-1.amazonaws.com/report.pdf").body(())?;
    /// let hour = Duration::from_secs(3600);
    /// let address = signer.presign(&request, SignedPayload::Unsigned, &keys, SystemClock.now(), hour)?;
    /// assert!(address.query().is_some_and(|query| query.contains("X-Amz-Expires=3600")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`sign`](Self::sign), and when `valid_for` is less than a second or more than seven days.
    pub fn presign<B>(
        &self,
        request: &Request<B>,
        payload: SignedPayload<'_>,
        keys: &Keys,
        now: SystemTime,
        valid_for: Duration,
    ) -> Result<Uri, Error> {
        if !(1..=7 * 24 * 3600).contains(&valid_for.as_secs()) {
            return Err(unsignable(
                "a presigned address is valid for a second at least and seven days at most",
            ));
        }
        Moment::of(now).ok_or_else(no_moment)?;
        let payload = PayloadText::of(&payload);
        let uri = address::as_sent(request.uri())?.unwrap_or_else(|| request.uri().clone());
        let headers = cleaned(request.headers(), address::host(&uri));
        let draft = Draft { method: request.method(), uri: &uri, headers: &headers };
        let signed = self.for_reference(&draft, &payload);
        let query = reference::presign(&signed, keys.credentials(), &self.target, now, valid_for)?;
        let path = format!("{}?{query}", uri.path());
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(path.try_into().map_err(|error: InvalidUri| failed(error))?);
        Uri::from_parts(parts).map_err(failed)
    }

    /// How many requests were not of the common form so far, and went to [`Engine::Reference`]. Clones count
    /// together.
    pub fn handed_over(&self) -> u64 {
        self.handed_over.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn sign_text<B>(
        &self,
        request: &mut Request<B>,
        payload: &PayloadText,
        credentials: &AwsCredentials,
        now: SystemTime,
    ) -> Result<Engine, Error> {
        let draft = Draft { method: request.method(), uri: request.uri(), headers: request.headers() };
        let Signed { engine, uri, headers, signature } = self.compute(&draft, payload, credentials, now)?;
        if let Some(uri) = uri {
            *request.uri_mut() = uri;
        }
        signature.put(headers, request.headers_mut());
        Ok(engine)
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
        let payload = PayloadText::of(payload);
        let Signed { engine, uri, headers, signature } = self.compute(&draft, &payload, credentials, now)?;
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
        payload: &PayloadText,
        credentials: &AwsCredentials,
        now: SystemTime,
    ) -> Result<Signed, Error> {
        let uri = address::as_sent(draft.uri)?;
        let sent = uri.as_ref().unwrap_or(draft.uri);
        let host = address::host(sent);
        let moment = Moment::of(now).ok_or_else(no_moment)?;
        let mut headers = None;
        let survey = match Survey::of(draft.headers, host, self.signed_headers) {
            Err(Unsurveyed::Stale) => {
                Survey::of(headers.insert(cleaned(draft.headers, host)), host, self.signed_headers)
            }
            survey => survey,
        };
        let is_v4 = self.target.algorithm() == Algorithm::V4;
        if let (Ok(survey), true) = (survey, is_v4) {
            let request = prepared::Request {
                method: draft.method,
                uri: sent,
                host: self.signed_host(host),
                headers: &survey,
                payload,
                content_hash: self.content_hash,
            };
            if let Some(signature) = prepared::sign(&request, credentials, &self.target, moment) {
                return Ok(Signed { engine: Engine::Prepared, uri, headers, signature });
            }
        }
        let cleaned =
            Draft { method: draft.method, uri: sent, headers: headers.as_ref().unwrap_or(draft.headers) };
        let signature = self.ask_reference(&cleaned, payload, credentials, now)?;
        if is_v4 {
            self.count_hand_over();
        }
        Ok(Signed { engine: Engine::Reference, uri, headers, signature })
    }

    /// The parts of what is signed that are the same whoever signs. `None` for what cannot be signed.
    pub(super) fn readable(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Readable> {
        let sent = address::as_sent(uri).ok()?.unwrap_or_else(|| uri.clone());
        let host = address::host(&sent);
        let headers = cleaned(headers, host);
        let draft = Draft { method, uri: &sent, headers: &headers };
        let payload = PayloadText::Unsigned;
        reference::readable(&self.for_reference(&draft, &payload), &self.target)
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
        reference::sign(&self.for_reference(draft, payload), credentials, &self.target, now)
    }

    fn for_reference<'a>(&'a self, draft: &Draft<'a>, payload: &'a PayloadText) -> reference::Request<'a> {
        let Draft { method, uri, headers } = *draft;
        let host = self.signed_host(address::host(uri));
        let (which, content_hash) = (self.signed_headers, self.content_hash);
        reference::Request { method, uri, host, headers, which, payload, content_hash }
    }

    #[inline]
    fn signed_host<'a>(&'a self, sent: &'a str) -> &'a str {
        self.host.as_deref().unwrap_or(sent)
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
        if let Some(regions) = self.region_set {
            headers.insert(REGION_SET, regions);
        }
    }
}

fn no_moment() -> Error {
    unsignable("the clock tells a year that no signature can name")
}

const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const REGION_SET: HeaderName = HeaderName::from_static("x-amz-region-set");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
