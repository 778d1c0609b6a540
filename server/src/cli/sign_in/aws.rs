//! Backends on AWS: whoever signed in becomes the role that their groups at their own provider imply, by a token that is
//! made for STS alone.

use super::{Browser, House, Plain, SITE, claims};
use countersign_fixtures::{
    clock::Clock,
    credentials::Book,
    mcp::everything::Everything,
    oracle::{Oracle, OracleServer, Rule},
    sts::{Provider, Role, Sts},
};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const ADMIN: &str = "arn:aws:iam::123456789012:role/mcp/Admin";
const USER: &str = "arn:aws:iam::123456789012:role/mcp/User";

/// A house with one more backend, which takes signatures, and the STS that gives credentials for them.
struct Signed {
    house: House,
    sts: Sts,
    backend: OracleServer,
}

impl Signed {
    async fn new() -> Self {
        let book = Book::new(Clock::default());
        let sts = Sts::start(book.clone()).await;
        let oracle = Oracle::new(book, "execute-api", "us-east-1");
        let oracle = oracle.allowing(ADMIN, Rule::anything()).allowing(USER, Rule::anything());
        let backend = OracleServer::start(oracle, Everything::default().router()).await;
        let backends = format!(
            "
  signed:
    url: '{}/mcp'
    auth:
      aws:
        service: execute-api
        region: us-east-1
        sts: {{endpoint: '{}', region: us-east-1}}
        roles:
          rules: [{{when: '\"admins\" in claims.groups', role: '{ADMIN}'}}]
          fallback: '{USER}'
        session_name: '{{claims.email}}'
        tags: {{Mail: claims.email}}
        source_identity: claims.email
",
            backend.url(),
            sts.url()
        );
        let house = House::before("optional: true", &backends).await;
        let signed = Self { house, sts, backend };
        signed.trust_the_gateway();
        signed
    }

    /// Each role trusts what the gateway makes for STS, if it was made for that very role.
    fn trust_the_gateway(&self) {
        let issuer = self.house.at("/aws");
        let name = issuer.trim_start_matches("http://");
        self.sts.add_provider(Provider::new(ACCOUNT, &issuer).client("sts.amazonaws.com")).unwrap();
        for arn in [ADMIN, USER] {
            let policy = json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}")},
                "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
                "Condition": {"StringEquals": {
                    format!("{name}:aud"): "sts.amazonaws.com",
                    "aws:RequestTag/countersign-role": arn.rsplit('/').next(),
                }},
            }});
            self.sts.add_role(Role::new(arn).trusting(policy)).unwrap();
        }
    }

    async fn tokens_of(&self, who: &str) -> Value {
        self.house.everybody_is(who);
        let app = self.house.register(SITE).await;
        self.house.signed_in(&app, &mut Browser::default()).await
    }

    async fn call(&self, token: &Value) -> Value {
        let tool = "signed__test_simple_text";
        self.house.call_tool(&self.house.issuer, token.as_str().unwrap(), tool).await
    }
}

#[tokio::test]
async fn whoever_signed_in_becomes_the_role_of_their_group_and_aws_sees_who_it_was() {
    let signed = Signed::new().await;
    for (who, role) in [("alice", "Admin"), ("bob", "User")] {
        let tokens = signed.tokens_of(who).await;
        let answer = signed.call(&tokens["access_token"]).await;
        assert_eq!(answer["result"]["isError"], false, "{who}: {answer}");
        let seen = signed.backend.oracle().seen();
        let principal = seen.last().and_then(|seen| seen.principal()).unwrap();
        let mail = format!("{who}@example.com");
        assert_eq!(principal.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{mail}"));
        assert_eq!((&principal.tags["countersign-role"], &principal.tags["Mail"]), (&role.to_owned(), &mail));
        assert_eq!(principal.source_identity.as_ref(), Some(&mail));
    }
}

#[tokio::test]
async fn a_clients_own_token_is_worth_nothing_at_sts() {
    let signed = Signed::new().await;
    let tokens = signed.tokens_of("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    for arn in [ADMIN, USER] {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", arn),
            ("RoleSessionName", "alice"),
            ("WebIdentityToken", access),
        ];
        let refused = Plain::default().post_form(&signed.sts.url(), &fields).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains("InvalidIdentityToken"), "{}", refused.text());
    }
    assert_ne!(claims(&tokens["access_token"])["iss"], signed.house.at("/aws"));
    let keys = Plain::default().fetch(&signed.house.at("/aws/.well-known/jwks.json")).await.json();
    let others = Plain::default().fetch(&signed.house.at("/.well-known/jwks.json")).await.json();
    assert_ne!(keys["keys"][0]["kid"], others["keys"][0]["kid"]);
}
