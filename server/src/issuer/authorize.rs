//! What a client asks a person for, before anybody is bothered.

use super::{
    client::{Client, Clients, GrantType},
    code::Issued,
    error::{Code, Fault, Problem, Refusal},
    form::Form,
    grant::Grant,
    pkce::Challenge,
    redirect::Redirect,
    secret,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What may be asked for.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) issuer: String,
    /// What tokens may be for. The first one where a client does not say.
    pub(super) resources: Vec<String>,
    pub(super) scopes: BTreeSet<String>,
}

/// A request that may be put to a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) client: Client,
    pub(super) redirect: Redirect,
    pub(super) redirect_named: bool,
    pub(super) state: Option<String>,
    pub(super) challenge: Challenge,
    pub(super) resource: String,
    pub(super) scopes: BTreeSet<String>,
}

/// A request that may not.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Told to the person: who sent them here is not known, so neither is the way back.
    Here(Problem),
    /// Told to the client, by sending the browser back with it.
    Back(Box<Back>),
}

/// The way back to a client that made a mistake.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) client: String,
    pub(super) redirect: Redirect,
    /// The same, with what is told.
    pub(super) location: String,
    pub(super) refusal: Refusal,
}

impl Asked {
    /// What a code stands for once `subject` has agreed, with what upstreams said of them.
    pub(super) fn agreed(self, subject: String, claims: Map<String, Value>) -> Result<Issued, Fault> {
        let Self { client, redirect, redirect_named, challenge, resource, scopes, .. } = self;
        let (session, family) = (secret::fresh_id()?, secret::fresh_id()?);
        let grant = Grant { client: client.id, subject, resource, scopes, claims, session };
        Ok(Issued { grant, redirect, redirect_named, challenge, family })
    }

    pub(super) async fn read(query: &[u8], clients: &Clients, offer: &Offer) -> Result<Self, Unfit> {
        let form = Form::parse(query)?;
        let id = form.need("client_id")?;
        let client = clients.find(id).await?;
        let client = client.ok_or_else(|| {
            Refusal::new(Code::InvalidClient, "this client is not known here; it has to register again")
        })?;
        let told = form.get("redirect_uri");
        let redirect = client.redirect(told)?;
        let state = form.get("state").map(str::to_owned);
        match permitted(&client).and_then(|()| wishes(&form, offer)) {
            Ok((challenge, resource, scopes)) => Ok(Self {
                client,
                redirect,
                redirect_named: told.is_some(),
                state,
                challenge,
                resource,
                scopes,
            }),
            Err(refusal) => {
                let location = refused(&redirect, state.as_deref(), &refusal, &offer.issuer);
                Err(Unfit::Back(Box::new(Back { client: client.id, redirect, location, refusal })))
            }
        }
    }
}

/// The address that tells a client no.
pub(super) fn refused(redirect: &Redirect, state: Option<&str>, refusal: &Refusal, issuer: &str) -> String {
    let mut parameters =
        vec![("error", refusal.code().name()), ("error_description", refusal.what()), ("iss", issuer)];
    parameters.extend(state.map(|state| ("state", state)));
    redirect.with(&parameters)
}

fn permitted(client: &Client) -> Result<(), Refusal> {
    let refused = || Refusal::new(Code::UnauthorizedClient, "the client does not ask people to sign in");
    client.may(GrantType::AuthorizationCode).then_some(()).ok_or_else(refused)
}

fn wishes(form: &Form<'_>, offer: &Offer) -> Result<(Challenge, String, BTreeSet<String>), Refusal> {
    let wrong = |what: &str| Refusal::new(Code::InvalidRequest, what);
    if form.need("response_type")? != "code" {
        return Err(Refusal::new(Code::UnsupportedResponseType, "`response_type` has to be code"));
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(wrong("`response_mode` has to be query"));
    }
    if form.get("request").is_some() || form.get("request_uri").is_some() {
        return Err(wrong("requests are not read from `request` or `request_uri`; say it in the query"));
    }
    if form.get("code_challenge_method") != Some("S256") {
        return Err(wrong("`code_challenge_method` has to be S256"));
    }
    let challenge = Challenge::parse(form.need("code_challenge")?)
        .ok_or_else(|| wrong("`code_challenge` is no SHA-256 in base64url"))?;
    let scopes = scopes(form, &offer.scopes)?;
    Ok((challenge, resource(form, &offer.resources)?, scopes))
}

/// What a token is to be for (RFC 8707).
pub(super) fn resource(form: &Form<'_>, offered: &[String]) -> Result<String, Refusal> {
    let refused = |what: &str| Refusal::new(Code::InvalidTarget, what);
    let mut told = form.all("resource");
    let first = told.next();
    if told.next().is_some() {
        return Err(refused("a token is for one `resource`"));
    }
    match first {
        Some(told) if offered.iter().any(|resource| resource == told) => Ok(told.to_owned()),
        Some(_) => Err(refused("`resource` is none that tokens are given for here")),
        None => offered.first().cloned().ok_or_else(|| refused("tokens are given for nothing here")),
    }
}

/// What was asked for, or everything that there is.
pub(super) fn scopes(form: &Form<'_>, offered: &BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
    let asked: BTreeSet<String> = form
        .get("scope")
        .into_iter()
        .flat_map(|text| text.split(' '))
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if asked.is_empty() {
        return Ok(offered.clone());
    }
    if asked.is_subset(offered) {
        return Ok(asked);
    }
    Err(Refusal::new(Code::InvalidScope, "`scope` names what nobody can grant here"))
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Here(refusal.into())
    }
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        Self::Here(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{CHALLENGE, Scene, clients, offer};

    /// A good request, with other parameters in place of its own.
    fn query(other: &[(&str, Option<&str>)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", "client"),
            ("redirect_uri", "https://client.example/callback"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "the state"),
            ("resource", "https://mcp.example.com/mcp"),
        ];
        for (name, value) in other {
            parameters.retain(|(known, _)| known != name);
            parameters.extend(value.map(|value| (*name, value)));
        }
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    }

    async fn read(other: &[(&str, Option<&str>)]) -> Result<Asked, Unfit> {
        let scene = Scene::new();
        Asked::read(query(other).as_bytes(), &clients(&scene), &offer()).await
    }

    #[tokio::test]
    async fn a_good_request_is_understood() {
        let asked = read(&[]).await.unwrap();
        assert_eq!(asked.redirect.as_str(), "https://client.example/callback");
        assert_eq!((asked.state.as_deref(), asked.redirect_named), (Some("the state"), true));
        assert_eq!(asked.scopes, offer().scopes, "everything, where nothing is said");
        let asked =
            read(&[("scope", Some("mcp:read")), ("resource", None), ("redirect_uri", None)]).await.unwrap();
        assert_eq!((asked.scopes.len(), asked.resource.as_str()), (1, "https://mcp.example.com/mcp"));
        assert!(!asked.redirect_named);
        let issued = asked.agreed("alice".into(), Map::new()).unwrap();
        assert_eq!((issued.grant.subject.as_str(), issued.grant.client.as_str()), ("alice", "client"));
        assert_ne!(issued.family, issued.grant.session);
    }

    #[tokio::test]
    async fn whoever_is_not_known_is_told_here_and_sends_nobody_anywhere() {
        for other in [
            [("client_id", Some("nobody"))],
            [("client_id", None)],
            [("redirect_uri", Some("https://evil.example/callback"))],
            [("redirect_uri", Some("https://client.example/callback/../evil"))],
            [("redirect_uri", Some("javascript:alert(1)"))],
        ] {
            assert!(matches!(read(&other).await, Err(Unfit::Here(Problem::Refused(_)))), "{other:?}");
        }
        let scene = Scene::new();
        let twice = format!("{}&redirect_uri=https://evil.example", query(&[]));
        let refused = Asked::read(twice.as_bytes(), &clients(&scene), &offer()).await;
        assert!(matches!(refused, Err(Unfit::Here(Problem::Refused(_)))));
    }

    #[tokio::test]
    async fn a_client_is_told_what_it_did_wrong_with_its_state_and_by_whom() {
        for (other, code) in [
            (("response_type", Some("token")), "unsupported_response_type"),
            (("response_type", None), "invalid_request"),
            (("response_mode", Some("fragment")), "invalid_request"),
            (("code_challenge", None), "invalid_request"),
            (("code_challenge", Some("short")), "invalid_request"),
            (("code_challenge_method", None), "invalid_request"),
            (("code_challenge_method", Some("plain")), "invalid_request"),
            (("request_uri", Some("https://client.example/request")), "invalid_request"),
            (("resource", Some("https://elsewhere.example/mcp")), "invalid_target"),
            (("scope", Some("mcp:read root")), "invalid_scope"),
        ] {
            let Err(Unfit::Back(back)) = read(&[other]).await else { panic!("{other:?}") };
            let location = back.location;
            assert!(location.starts_with("https://client.example/callback?"), "{location}");
            let told: Vec<(String, String)> =
                url::form_urlencoded::parse(location.split_once('?').unwrap().1.as_bytes())
                    .into_owned()
                    .collect();
            let get =
                |name: &str| told.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
            assert_eq!(get("error"), Some(code), "{other:?}");
            assert_eq!((get("state"), get("iss")), (Some("the state"), Some("https://mcp.example.com")));
            assert_eq!(get("code"), None);
        }
    }
}
