//! What services are told about a token that somebody shows them (RFC 7662).

use super::{
    client::Client,
    error::{Code, Problem, Refusal},
    form::Form,
    token::TokenEndpoint,
};
use serde_json::{Map, Value, json};

impl TokenEndpoint {
    /// What there is to be said of a token, to a client that can prove who it is. Of what is over, was never issued, or
    /// belongs to somebody else, it is said alike that it is not active.
    pub(super) async fn introspect(
        &self,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<Value, Problem> {
        let form = Form::parse(body)?;
        let token = form.need("token")?;
        let client = self.client(authorization, &form).await?;
        if !client.is_confidential() {
            let what = "only a client that proves who it is may ask about tokens";
            return Err(Refusal::new(Code::InvalidClient, what).into());
        }
        let told = self.told(token).await?.filter(|told| self.may_know(&client, told));
        let Some(mut told) = told else { return Ok(json!({"active": false})) };
        told.insert("active".to_owned(), true.into());
        Ok(Value::Object(told))
    }

    async fn told(&self, token: &str) -> Result<Option<Map<String, Value>>, Problem> {
        if let Some(identity) = self.services.own.live(token).await? {
            let mut told = identity.claims().clone();
            told.insert("token_type".to_owned(), "Bearer".into());
            return Ok(Some(told));
        }
        let Some(grant) = self.families.look(token).await? else { return Ok(None) };
        let scopes: Vec<&str> = grant.scopes.iter().map(String::as_str).collect();
        let told = json!({
            "iss": self.services.offer.issuer,
            "sub": grant.subject,
            "aud": grant.resource,
            "client_id": grant.client,
            "scope": scopes.join(" "),
        });
        Ok(told.as_object().cloned())
    }

    /// The operator's own services may ask about every token, as they are shown everybody's; others about their own.
    fn may_know(&self, client: &Client, told: &Map<String, Value>) -> bool {
        let own = told.get("client_id").and_then(Value::as_str) == Some(&client.id);
        own || self.clients.is_named(&client.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{
        client::Wish,
        testing::{Scene, grant, issued, token_endpoint},
    };
    use std::time::Duration;

    const US: &str = "client_id=confidential&client_secret=s+ecret";

    async fn about(endpoint: &TokenEndpoint, token: &str) -> Value {
        endpoint.introspect(None, format!("{US}&token={token}").as_bytes()).await.unwrap()
    }

    /// An access token and a refresh token of one sign-in.
    async fn tokens(endpoint: &TokenEndpoint) -> (String, String) {
        let refresh = endpoint.families.begin("family", &issued().grant).await.unwrap();
        (endpoint.access.mint(&grant()).unwrap(), refresh)
    }

    #[tokio::test]
    async fn a_service_is_told_what_a_token_says_while_it_is_good() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let (access, refresh) = tokens(&endpoint).await;
        let now = scene.hands.unix();
        let mut told = about(&endpoint, &access).await;
        let jti = told.as_object_mut().unwrap().remove("jti").unwrap();
        assert!(jti.as_str().is_some_and(|jti| !jti.is_empty()));
        assert_eq!(
            told,
            json!({
                "active": true, "token_type": "Bearer", "iss": "https://mcp.example.com", "sub": "alice",
                "aud": "https://mcp.example.com/mcp", "client_id": "client", "scope": "mcp:read",
                "sid": "session", "iat": now, "exp": now + 3600,
            })
        );
        assert_eq!(
            about(&endpoint, &refresh).await,
            json!({
                "active": true, "iss": "https://mcp.example.com", "sub": "alice",
                "aud": "https://mcp.example.com/mcp", "client_id": "client", "scope": "mcp:read",
            })
        );
        // Asking spends nothing.
        let body = format!("grant_type=refresh_token&client_id=client&refresh_token={refresh}");
        endpoint.answer(None, body.as_bytes()).await.unwrap();
        assert_eq!(about(&endpoint, &refresh).await, json!({"active": false}), "spent by now");
        scene.hands.advance(Duration::from_secs(3600));
        assert_eq!(about(&endpoint, &access).await, json!({"active": false}));
    }

    #[tokio::test]
    async fn a_sign_in_that_was_ended_ends_its_tokens() {
        for way in 0..4 {
            let scene = Scene::new();
            let endpoint = token_endpoint(&scene).await;
            let (access, refresh) = tokens(&endpoint).await;
            assert_eq!(about(&endpoint, &access).await["active"], true);
            match way {
                0 => endpoint.families.end("family", "session").await.unwrap(),
                1 => drop(endpoint.families.end_of_person("alice").await.unwrap()),
                2 => drop(endpoint.families.end_of_client("client").await.unwrap()),
                _ => {
                    let body = format!("client_id=client&token={refresh}");
                    endpoint.revoke(None, body.as_bytes()).await.unwrap();
                }
            }
            for token in [&access, &refresh] {
                assert_eq!(about(&endpoint, token).await, json!({"active": false}), "{way}");
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_told_of_what_is_none_of_ours() {
        let (scene, other) = (Scene::new(), Scene::new());
        let (endpoint, others) = (token_endpoint(&scene).await, token_endpoint(&other).await);
        let (access, _) = tokens(&endpoint).await;
        let (foreign, _) = tokens(&others).await;
        let unsigned = access.rsplit_once('.').unwrap().0;
        let large = "x".repeat(60_000);
        for token in ["x", "a.b", "a.b.c", ".", &foreign, unsigned, &format!("{access}x"), &large] {
            assert_eq!(about(&endpoint, token).await, json!({"active": false}));
        }
        // Signed by us, and no access token.
        let typ = endpoint.access.sign_as(
            "JWT",
            &json!({"iss": "https://mcp.example.com", "sub": "alice",
            "aud": "https://mcp.example.com/mcp", "exp": scene.hands.unix() + 60}),
        );
        assert_eq!(about(&endpoint, &typ).await, json!({"active": false}));
    }

    #[tokio::test]
    async fn whoever_does_not_prove_who_it_is_learns_nothing() {
        let scene = Scene::new();
        let endpoint = token_endpoint(&scene).await;
        let (access, _) = tokens(&endpoint).await;
        for who in [
            "client_id=client",
            "client_id=confidential",
            "client_id=confidential&client_secret=x",
            "",
            "x=y",
        ] {
            match endpoint.introspect(None, format!("{who}&token={access}").as_bytes()).await {
                Err(Problem::Refused(refusal)) => assert_eq!(refusal.code(), Code::InvalidClient, "{who}"),
                other => panic!("{who}: {other:?}"),
            }
        }
        assert!(endpoint.introspect(None, US.as_bytes()).await.is_err(), "without a token");
        // Anybody may register with a secret, so that alone does not entitle them to others' tokens.
        let wish = json!({"redirect_uris": ["https://client.example/"], "token_endpoint_auth_method": "client_secret_post"});
        let wish = Wish::parse(wish.to_string().as_bytes()).unwrap();
        let (stranger, secret) = endpoint.clients.register(wish, "192.0.2.1").await.unwrap();
        let ask = async |token: &str| {
            let (id, secret) = (&stranger.id, secret.as_deref().unwrap());
            let body = format!("client_id={id}&client_secret={secret}&token={token}");
            endpoint.introspect(None, body.as_bytes()).await.unwrap()
        };
        assert_eq!(ask(&access).await, json!({"active": false}));
        let mut own = grant();
        own.client.clone_from(&stranger.id);
        assert_eq!(ask(&endpoint.access.mint(&own).unwrap()).await["active"], true);
    }
}
