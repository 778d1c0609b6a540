//! The token endpoint: codes and refresh tokens become access tokens.

use super::{
    access::AccessTokens,
    claimed,
    client::{Client, Clients, Credentials, Evidence, GrantType},
    code::{Codes, Issued, Redeemed, Shown},
    error::{Code, Fault, Problem, Refusal},
    family::Families,
    form::Form,
    grant::Grant,
    services::{self, Services},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Answers clients that come for tokens.
#[derive(Clone, Debug)]
pub(super) struct TokenEndpoint {
    pub(super) clients: Clients,
    pub(super) codes: Codes,
    pub(super) families: Families,
    pub(super) access: AccessTokens,
    pub(super) services: Services,
}

impl TokenEndpoint {
    /// The answer to a request with this `Authorization` and this body.
    pub(super) async fn answer(&self, authorization: Option<&str>, body: &[u8]) -> Result<Value, Problem> {
        let form = Form::parse(body)?;
        let grant_type = form.need("grant_type")?;
        let client = self.client(authorization, &form).await?;
        let grant_type = GrantType::named(grant_type).ok_or_else(|| {
            Refusal::new(Code::UnsupportedGrantType, "`grant_type` is none that there is here")
        })?;
        if !client.may(grant_type) {
            let what = "the client may not use this `grant_type`";
            return Err(Refusal::new(Code::UnauthorizedClient, what).into());
        }
        let (grant, refresh) = match grant_type {
            GrantType::AuthorizationCode => self.redeem(&client, &form).await?,
            GrantType::RefreshToken => self.refresh(&client, &form).await?,
            GrantType::ClientCredentials => {
                return Ok(self.issued(&self.services.by_itself(&client, &form)?)?);
            }
            GrantType::TokenExchange => {
                return Ok(self.issued(&self.services.for_somebody(&client, &form).await?)?);
            }
            GrantType::JwtBearer => {
                return Ok(self.issued(&self.services.vouched_for(&client, &form).await?)?);
            }
        };
        let token = self.access.mint(&grant)?;
        let refresh = client.may(GrantType::RefreshToken).then_some(("refresh_token", refresh));
        Ok(answer(&grant, &token, self.access.lifetime(), refresh))
    }

    /// What a service gets: never anything that lasts.
    fn issued(&self, issued: &services::Issued) -> Result<Value, Fault> {
        let lifetime = issued.lifetime.unwrap_or(self.access.lifetime());
        let token = self.access.mint_for(&issued.grant, issued.act.as_ref(), lifetime)?;
        let token_type = issued.token_type.map(|kind| ("issued_token_type", kind.to_owned()));
        Ok(answer(&issued.grant, &token, lifetime, token_type))
    }

    /// Ends what a token belongs to (RFC 7009). Whether there was any is nobody's business.
    pub(super) async fn revoke(&self, authorization: Option<&str>, body: &[u8]) -> Result<(), Problem> {
        let form = Form::parse(body)?;
        let token = form.need("token")?;
        let client = self.client(authorization, &form).await?;
        Ok(self.families.revoke(token, &client.id).await?)
    }

    async fn redeem(&self, client: &Client, form: &Form<'_>) -> Result<(Grant, String), Problem> {
        let shown = Shown {
            client: &client.id,
            redirect: form.get("redirect_uri"),
            verifier: form.need("code_verifier")?,
        };
        let code = form.need("code")?;
        let issued = match self.codes.redeem(code, &shown).await? {
            Redeemed::Granted(issued) => issued,
            Redeemed::Again { family, session } => {
                self.families.end(&family, &session).await?;
                tracing::warn!(client = client.id, "a code was shown twice; what came of it is ended");
                let what = "the code was used before, so what came of it is ended";
                return Err(Refusal::new(Code::InvalidGrant, what).into());
            }
        };
        same_resource(&issued.grant, form)?;
        self.begin(code, *issued).await
    }

    /// What begins with a code that was spent just now.
    async fn begin(&self, code: &str, issued: Issued) -> Result<(Grant, String), Problem> {
        // The first of all who show a code is answered, also where the next one was so fast that the family is ended by
        // now: one that came a moment later would have ended it as well. Nothing outlives that. `begin` leaves no family
        // that was ended, and the sign-in of the access token was ended with it.
        let refresh = self.families.begin(&issued.family, &issued.grant).await?;
        // Whoever ends the sign-ins of a person forgets their codes first, and then the families that there are. One that
        // was not there yet finds its code forgotten.
        if !self.codes.still_counts(code).await? {
            self.families.end(&issued.family, &issued.grant.session).await?;
            return Err(Refusal::new(Code::InvalidGrant, "the sign-in was ended meanwhile").into());
        }
        Ok((issued.grant, refresh))
    }

    async fn refresh(&self, client: &Client, form: &Form<'_>) -> Result<(Grant, String), Problem> {
        let asked: BTreeSet<String> = form
            .get("scope")
            .into_iter()
            .flat_map(|text| text.split(' '))
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        // Looked at before anything is spent.
        let check = |grant: &Grant| {
            same_resource(grant, form)?;
            grant.narrowed(&asked).ok_or_else(|| {
                Refusal::new(Code::InvalidScope, "`scope` names what was not granted in the first place")
            })
        };
        self.families.rotate(form.need("refresh_token")?, &client.id, check).await
    }

    /// Who sent it: told in one place, and proven in one way.
    pub(super) async fn client(
        &self,
        authorization: Option<&str>,
        form: &Form<'_>,
    ) -> Result<Client, Problem> {
        let (in_body, secret) = (form.get("client_id"), form.get("client_secret"));
        let twice = || Refusal::new(Code::InvalidRequest, "the client shows who it is in two ways");
        let assertion = assertion(form)?;
        let Some(header) = authorization else {
            let evidence = match (secret, assertion) {
                (None, None) => Evidence::Nothing,
                (Some(secret), None) => Evidence::Secret(secret),
                (None, Some(assertion)) => Evidence::Assertion(assertion),
                (Some(_), Some(_)) => return Err(twice().into()),
            };
            let told = assertion.filter(|_| in_body.is_none()).and_then(claimed::issuer);
            let id = in_body.or(told.as_deref());
            let id = id.ok_or_else(|| Refusal::new(Code::InvalidClient, "the request names no client"))?;
            return self.clients.authenticated(Credentials { id, evidence }).await;
        };
        let (id, told) = basic(header)
            .ok_or_else(|| Refusal::new(Code::InvalidClient, "`Authorization` is no Basic of a client"))?;
        if secret.is_some() || assertion.is_some() || in_body.is_some_and(|other| other != id) {
            return Err(twice().into());
        }
        self.clients.authenticated(Credentials { id: &id, evidence: Evidence::Secret(&told) }).await
    }
}

/// The assertion that a client proves itself with (RFC 7523, section 2.2).
fn assertion<'f>(form: &'f Form<'_>) -> Result<Option<&'f str>, Refusal> {
    const BY_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    match (form.get("client_assertion"), form.get("client_assertion_type")) {
        (Some(assertion), Some(BY_JWT)) => Ok(Some(assertion)),
        (None, None) => Ok(None),
        _ => Err(Refusal::new(
            Code::InvalidRequest,
            "`client_assertion` and `client_assertion_type` belong together, and the type is jwt-bearer",
        )),
    }
}

fn answer(grant: &Grant, token: &str, lifetime: Duration, besides: Option<(&str, String)>) -> Value {
    let scopes: Vec<&str> = grant.scopes.iter().map(String::as_str).collect();
    let mut answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "scope": scopes.join(" "),
    });
    if let Some(members) = answer.as_object_mut() {
        members.extend(besides.map(|(name, value)| (name.to_owned(), value.into())));
    }
    answer
}

fn same_resource(grant: &Grant, form: &Form<'_>) -> Result<(), Refusal> {
    if form.all("resource").all(|told| told == grant.resource) {
        return Ok(());
    }
    Err(Refusal::new(Code::InvalidTarget, "`resource` is not what was granted"))
}

/// Both halves are encoded as in a form before they are put together (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let plain = |text: &str| {
        let parsed = url::form_urlencoded::parse(text.as_bytes()).next();
        parsed.map_or_else(String::new, |(text, _)| text.into_owned())
    };
    // A secret with `=` or `&` in it was encoded, or else it would not be one parameter's name.
    (!secret.contains(['=', '&']) && !id.contains(['=', '&'])).then(|| (plain(id), plain(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::testing::{Scene, VERIFIER, grant, issued, token_endpoint, verified};

    const CODE: &str =
        "grant_type=authorization_code&client_id=client&redirect_uri=https%3A%2F%2Fclient.example%2Fcallback";

    fn redeem(code: &str) -> String {
        format!("{CODE}&code_verifier={VERIFIER}&code={code}")
    }

    fn refresh(token: &Value) -> String {
        format!("grant_type=refresh_token&client_id=client&refresh_token={}", token.as_str().unwrap())
    }

    async fn said(endpoint: &TokenEndpoint, body: &str) -> Code {
        match endpoint.answer(None, body.as_bytes()).await {
            Err(Problem::Refused(refusal)) => refusal.code(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_code_becomes_tokens_and_a_refresh_token_newer_ones() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let code = endpoint.codes.issue(issued()).await.unwrap();
        let answer = endpoint.answer(None, redeem(&code).as_bytes()).await.unwrap();
        assert_eq!(
            (&answer["token_type"], &answer["expires_in"], &answer["scope"]),
            (&json!("Bearer"), &json!(3600), &json!("mcp:read"))
        );
        scene.hands.advance(Duration::from_secs(3600));
        let newer = endpoint.answer(None, refresh(&answer["refresh_token"]).as_bytes()).await.unwrap();
        assert_ne!(newer["refresh_token"], answer["refresh_token"]);
        assert_ne!(newer["access_token"], answer["access_token"]);
        let jwks = endpoint.access.jwks();
        let claims = verified(newer["access_token"].as_str().unwrap(), &jwks).unwrap();
        assert_eq!(
            (&claims["sub"], &claims["aud"]),
            (&json!("alice"), &json!("https://mcp.example.com/mcp"))
        );
    }

    #[tokio::test]
    async fn a_code_that_is_shown_again_ends_what_came_of_it() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let code = endpoint.codes.issue(issued()).await.unwrap();
        let answer = endpoint.answer(None, redeem(&code).as_bytes()).await.unwrap();
        assert_eq!(said(&endpoint, &redeem(&code)).await, Code::InvalidGrant);
        assert_eq!(said(&endpoint, &refresh(&answer["refresh_token"])).await, Code::InvalidGrant);
    }

    #[tokio::test]
    async fn whoever_shows_a_code_first_is_answered_and_has_nothing_that_outlives_the_second() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let code = endpoint.codes.issue(issued()).await.unwrap();
        // The other one is refused while this one is on its way.
        endpoint.families.end("family", "session").await.unwrap();
        let answer = endpoint.answer(None, redeem(&code).as_bytes()).await.unwrap();
        for name in ["access_token", "refresh_token"] {
            let token = answer[name].as_str().unwrap();
            let asked = format!("client_id=confidential&client_secret=s+ecret&token={token}");
            let told = endpoint.introspect(None, asked.as_bytes()).await.unwrap();
            assert_eq!(told, json!({"active": false}), "{name}");
        }
        assert_eq!(said(&endpoint, &refresh(&answer["refresh_token"])).await, Code::InvalidGrant);
    }

    /// A person's sign-ins are ended between the two steps in which a code becomes tokens.
    #[tokio::test]
    async fn nobody_slips_through_who_redeems_a_code_while_their_sign_ins_are_ended() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let code = endpoint.codes.issue(issued()).await.unwrap();
        let (client, redirect) = ("client", Some("https://client.example/callback"));
        let shown = Shown { client, redirect, verifier: VERIFIER };
        let Redeemed::Granted(spent) = endpoint.codes.redeem(&code, &shown).await.unwrap() else {
            panic!("it was not spent before");
        };
        assert_eq!(endpoint.codes.forget_person("alice").await.unwrap(), 0);
        assert_eq!(endpoint.families.end_of_person("alice").await.unwrap(), 0);
        let begun = endpoint.begin(&code, *spent).await;
        assert!(matches!(begun, Err(Problem::Refused(refusal)) if refusal.code() == Code::InvalidGrant));
        assert!(!endpoint.families.has_session("session").await.unwrap());
    }

    #[tokio::test]
    async fn what_was_not_granted_is_not_given_and_nothing_is_spent_by_asking() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let mut issued = issued();
        issued.grant.scopes.insert("mcp:write".into());
        let code = endpoint.codes.issue(issued).await.unwrap();
        let answer = endpoint.answer(None, redeem(&code).as_bytes()).await.unwrap();
        let token = &answer["refresh_token"];
        let more = |what: &str| format!("{}&{what}", refresh(token));
        assert_eq!(said(&endpoint, &more("scope=mcp:read+root")).await, Code::InvalidScope);
        assert_eq!(said(&endpoint, &more("resource=https://elsewhere.example")).await, Code::InvalidTarget);
        let narrow = endpoint.answer(None, more("scope=mcp:read").as_bytes()).await.unwrap();
        assert_eq!(narrow["scope"], "mcp:read");
        // Less was asked for this once; what was granted stays granted.
        let whole = endpoint.answer(None, refresh(&narrow["refresh_token"]).as_bytes()).await.unwrap();
        assert_eq!(whole["scope"], "mcp:read mcp:write");
    }

    #[tokio::test]
    async fn a_request_that_is_wrong_is_told_why() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        for (body, code) in [
            ("", Code::InvalidRequest),
            ("grant_type=authorization_code", Code::InvalidClient),
            ("grant_type=password&client_id=client", Code::UnsupportedGrantType),
            ("grant_type=refresh_token&client_id=client", Code::InvalidRequest),
            ("grant_type=refresh_token&client_id=client&refresh_token=x", Code::InvalidGrant),
            ("grant_type=refresh_token&client_id=nobody&refresh_token=x", Code::InvalidClient),
            (
                "grant_type=refresh_token&client_id=client&client_secret=x&refresh_token=x",
                Code::InvalidClient,
            ),
            ("grant_type=authorization_code&client_id=client&code=x", Code::InvalidRequest),
            ("grant_type=a&grant_type=b&client_id=client", Code::InvalidRequest),
        ] {
            assert_eq!(said(&endpoint, body).await, code, "{body}");
        }
    }

    #[tokio::test]
    async fn a_client_with_a_secret_says_it_in_one_place() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let header = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        let body = "grant_type=refresh_token&refresh_token=x";
        let shown = async |authorization: Option<&str>, body: &str| match endpoint
            .answer(authorization, body.as_bytes())
            .await
        {
            Err(Problem::Refused(refusal)) => refusal.code(),
            other => panic!("{other:?}"),
        };
        // The right secret gets as far as the token, which is none.
        for right in ["confidential:s%20ecret", "confidential:s+ecret"] {
            assert_eq!(shown(Some(&header(right)), body).await, Code::InvalidGrant);
        }
        let in_body = format!("{body}&client_id=confidential&client_secret=s+ecret");
        assert_eq!(shown(None, &in_body).await, Code::InvalidGrant);
        for wrong in
            [header("confidential:other"), header("confidential"), "Bearer x".into(), "Basic !".into()]
        {
            assert_eq!(shown(Some(&wrong), body).await, Code::InvalidClient, "{wrong}");
        }
        let both = Some(header("confidential:s%20ecret"));
        assert_eq!(shown(both.as_deref(), &in_body).await, Code::InvalidRequest);
        assert_eq!(shown(both.as_deref(), &format!("{body}&client_id=client")).await, Code::InvalidRequest);
    }

    #[tokio::test]
    async fn a_client_may_end_what_it_has_and_learns_nothing_of_the_rest() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let token = endpoint.families.begin("family", &grant()).await.unwrap();
        let body = format!("token={token}&client_id=client");
        for known_or_not in ["token=none&client_id=client", body.as_str(), body.as_str()] {
            endpoint.revoke(None, known_or_not.as_bytes()).await.unwrap();
        }
        assert_eq!(said(&endpoint, &refresh(&json!(token))).await, Code::InvalidGrant);
        assert!(endpoint.revoke(None, b"token=x&client_id=nobody").await.is_err());
    }
}
