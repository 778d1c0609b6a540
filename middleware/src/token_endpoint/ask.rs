use super::{
    answer::{self, Failure, Granted},
    client_authentication::{ClientAuthentication, Shown},
};
use crate::{clock::Clock, fetch::Fetcher};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use secrecy::ExposeSecret;
use std::{sync::Arc, time::SystemTime};
use url::{Url, form_urlencoded::Serializer};

/// A token endpoint that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct TokenClient(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    url: Url,
    client: ClientAuthentication,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
}

impl TokenClient {
    pub(super) fn new(
        url: Url,
        client: ClientAuthentication,
        fetcher: Fetcher,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Parts { url, client, fetcher, clock }))
    }

    /// Who we are there.
    #[cfg_attr(not(feature = "exchange"), allow(dead_code, reason = "nobody exchanges"))]
    pub(crate) fn client_id(&self) -> &str {
        self.0.client.client_id()
    }

    /// The time it is here.
    pub(crate) fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    /// Asks once, for what `form` says.
    pub(crate) async fn ask(&self, form: &[(&str, &str)]) -> Result<Granted, Failure> {
        let Parts { url, client, fetcher, .. } = &*self.0;
        let shown = client.show(url.as_str(), self.now());
        let shown = shown.ok_or_else(|| Failure::Unsent("our authentication cannot be made".to_owned()))?;
        let request = request(url, &shown, form).map_err(|error| Failure::Unsent(error.to_string()))?;
        match fetcher.answer(url, request).await {
            Ok(response) => answer::read(&response),
            Err(unanswered) if unanswered.unsent => Err(Failure::Unsent(unanswered.what)),
            Err(unanswered) => Err(Failure::Unknown(unanswered.what)),
        }
    }
}

fn request(url: &Url, shown: &Shown, form: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(value) = &shown.authorization {
        request = request.header(header::AUTHORIZATION, value.clone());
    }
    let ours = shown.form.iter().map(|(name, value)| (*name, value.expose_secret()));
    let body = Serializer::new(String::new()).extend_pairs(form.iter().copied()).extend_pairs(ours).finish();
    request.body(Full::from(body))
}
