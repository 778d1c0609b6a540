//! An authorization server that is killed in the middle of sign-ins and refreshes, and what its file holds.

use crate::gateway::{MODERN, countersign, message, modern_body};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::{self, AuthMethod, Idp},
    mcp::{PATH, everything::Everything},
    wire::Tap,
};
use countersign_tests::{
    client::{Answer, Plain, encode},
    person::Person,
    process::Counterpart,
};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::{TempDir, tempdir};
use tokio::{sync::Notify, task::JoinSet};

const ROUNDS: usize = 20;
/// Who signs in during each of them.
const PEOPLE: usize = 50;
/// How often each of them gets new tokens.
const REFRESHES: usize = 4;

const BACK: &str = "https://client.example/callback";
const SECRET: &str = "the-secret-at-the-provider";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What outlives the gateway: its file, its address, its provider and its backend.
struct House {
    idp: Idp,
    tap: Tap,
    endpoint: String,
    config: PathBuf,
    folder: TempDir,
    _backend: Server,
    /// How often somebody was told that something is done.
    told: AtomicUsize,
    somebody_was: Notify,
}

/// What a person and their client know.
#[derive(Debug, Default)]
struct Account {
    /// Codes and refresh tokens that were taken, and answered.
    spent: Vec<String>,
    /// The refresh token that should be good.
    last: Option<String>,
    access: String,
    /// What was sent, and never answered.
    unsure: Option<Sent>,
}

#[derive(Debug)]
enum Sent {
    Code(String),
    Refresh,
}

impl House {
    async fn new() -> Self {
        let idp = Idp::start(Clock::default()).await;
        let client = idp::Client::confidential("gateway", SECRET, AuthMethod::ClientSecretBasic);
        idp.register(client.redirect_to("http://127.0.0.1/oauth/callback"));
        let backend = Server::start(Everything::default().router()).await;
        let tap = Tap::before(backend.address()).await;
        let folder = tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let kept = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            format!("'file:{}'", folder.path().join(name).display())
        };
        let (key, secret) = (kept("sealing", &"07".repeat(32)), kept("secret", SECRET));
        let (issuer, url, store) = (idp.issuer(), tap.url(), folder.path().join("store.redb"));
        let text = format!(
            "
listen: 127.0.0.1:{port}
store: {{file: '{}', key: {key}}}
authorization_server:
  lifetimes: {{code_seconds: 600}}
  upstreams:
    - name: corp
      claims: [email]
      oidc: {{issuer: '{issuer}', client_id: gateway, client_secret: {secret}}}
backends:
  notes: {{url: '{url}{PATH}', auth: {{upstream_token: {{provider: corp}}}}}}
",
            store.display()
        );
        let config = folder.path().join("gateway.yaml");
        fs::write(&config, text).unwrap();
        let endpoint = format!("http://127.0.0.1:{port}{PATH}");
        let (told, somebody_was) = (AtomicUsize::new(0), Notify::new());
        Self { idp, tap, endpoint, config, folder, _backend: backend, told, somebody_was }
    }

    async fn gateway(&self) -> Counterpart {
        let mut gateway = Counterpart::start(countersign().arg("serve").arg("-c").arg(&self.config));
        assert_eq!(gateway.wait_for("listening on ").await, self.endpoint);
        gateway
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.strip_suffix(PATH).unwrap())
    }

    async fn register(&self, method: &str) -> Value {
        let wish = json!({
            "client_name": "An inspector", "redirect_uris": [BACK], "token_endpoint_auth_method": method,
        });
        Plain::default().post_json(&self.at("/oauth/register"), &wish).await.json()
    }

    fn authorize(&self, client: &str) -> String {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", BACK),
            ("state", "the state of a client"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        self.at(&format!("/oauth/authorize?{query}"))
    }

    /// `None` where no answer came.
    async fn token(&self, form: &[(&str, &str)]) -> Option<Answer> {
        let request = Request::post(self.at("/oauth/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(encode(form))))
            .unwrap();
        Plain::default().send(request).await.ok()
    }

    async fn redeem(&self, client: &str, code: &str) -> Option<Answer> {
        let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
        self.token(&[&grant[..], &[("client_id", client), ("code_verifier", VERIFIER)]].concat()).await
    }

    async fn refresh(&self, client: &str, token: &str) -> Option<Answer> {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.token(&form).await
    }

    /// A person who signs in, and whose client renews its tokens until nobody answers any more.
    async fn live(&self, client: &str, who: &str) -> Account {
        let mut account = Account::default();
        let Ok(back) = Person::called(who).try_walk(&self.authorize(client), BACK).await else {
            return account;
        };
        let code = parameter(&back, "code");
        self.somebody_is_told();
        match self.redeem(client, &code).await {
            Some(answer) => account.take(&answer, code),
            None => account.unsure = Some(Sent::Code(code)),
        }
        for _ in 0..REFRESHES {
            let Some(last) = account.last.clone() else { break };
            self.somebody_is_told();
            match self.refresh(client, &last).await {
                Some(answer) => account.take(&answer, last),
                None => {
                    account.unsure = Some(Sent::Refresh);
                    break;
                }
            }
        }
        account
    }

    fn somebody_is_told(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
        self.somebody_was.notify_one();
    }

    /// A tool of a backend that takes the provider's tokens.
    async fn call(&self, token: &str) -> Value {
        let body = modern_body("tools/call", json!({"name": "test_simple_text", "arguments": {}}));
        let request = Request::post(&self.endpoint)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "test_simple_text");
        message(&Plain::default().send(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap())
    }

    /// Everything that lies beside the configuration and the two keys.
    fn bytes_at_rest(&self) -> Vec<u8> {
        let (mut bytes, mut folders) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if !["gateway.yaml", "sealing", "secret"].iter().any(|name| path.ends_with(name)) {
                    bytes.extend(fs::read(path).unwrap());
                }
            }
        }
        bytes
    }
}

impl Account {
    /// Keeps what came for what was `spent`.
    fn take(&mut self, answer: &Answer, spent: String) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tokens = answer.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        (self.access, self.last) = (text("access_token"), Some(text("refresh_token")));
        self.spent.push(spent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_told_is_lost_and_nothing_spent_comes_back() {
    let house = Arc::new(House::new().await);
    let mut gateway = house.gateway().await;
    let client = house.register("none").await["client_id"].as_str().unwrap().to_owned();
    let (mut accounts, mut unsure, mut anew) = (Vec::new(), 0, 0);
    for round in 0..ROUNDS {
        let before = house.told.load(Ordering::Relaxed);
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            let who = format!("person-{round}-{number}");
            house.idp.add_person(idp::Person::new(&who));
            let (house, client) = (house.clone(), client.clone());
            people.spawn(async move { house.live(&client, &who).await });
        }
        // Sooner or later in each round.
        let enough = before + 5 + (round * 53) % 180;
        while house.told.load(Ordering::Relaxed) < enough {
            house.somebody_was.notified().await;
        }
        gateway.kill().await;
        let mut met = people.join_all().await;
        gateway = house.gateway().await;
        for (nth, account) in met.iter_mut().enumerate() {
            let answer = match (&account.unsure, &account.last) {
                (Some(Sent::Code(code)), _) => house.redeem(&client, code).await,
                (_, Some(last)) => house.refresh(&client, last).await,
                (_, None) => continue,
            };
            let answer = answer.expect("it is there again");
            if account.unsure.is_some() && answer.status == 400 {
                // It was taken, and nobody knows by whom: the person signs in once more.
                assert_eq!(answer.json()["error"], "invalid_grant", "{}", answer.text());
                (account.last, anew, unsure) = (None, anew + 1, unsure + 1);
                continue;
            }
            unsure += usize::from(account.unsure.is_some());
            let sent = match account.unsure.take() {
                Some(Sent::Code(code)) => code,
                Some(Sent::Refresh) | None => account.last.take().unwrap(),
            };
            account.take(&answer, sent);
            if nth % 10 == 0 {
                let answer = house.call(&account.access).await;
                assert_eq!(
                    answer["result"]["isError"], false,
                    "the provider's token is there, too: {answer}"
                );
            }
        }
        accounts.extend(met);
    }

    let kept = accounts.iter().filter(|account| account.last.is_some()).count();
    println!(
        "{} told, {unsure} unsure, of whom {anew} sign in anew, {kept} kept",
        house.told.load(Ordering::Relaxed)
    );
    assert!(kept >= ROUNDS * 5 && unsure >= ROUNDS, "it has to be killed in the middle of much");
    for account in &accounts {
        for spent in [account.spent.first(), account.spent.last()].into_iter().flatten() {
            let again = [house.redeem(&client, spent).await, house.refresh(&client, spent).await];
            let refused =
                |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.status == 400);
            assert!(again.iter().all(refused), "spent, and good again: {account:?} {again:?}");
        }
        if let Some(last) = account.last.as_ref().filter(|_| account.spent.len() > 1) {
            let answer = house.refresh(&client, last).await.unwrap();
            assert_eq!(answer.status, 400, "the family ends with the reuse of one of its tokens");
        }
    }
}

#[tokio::test]
async fn what_is_at_rest_says_nothing() {
    let house = House::new().await;
    let gateway = house.gateway().await;
    let client = house.register("client_secret_post").await;
    let (id, own) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
    let mut person = Person::called("alice");
    let back = person.walk(&house.authorize(id), BACK).await;
    let code = parameter(&back, "code");
    let grant = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", BACK)];
    let proof = [("client_id", id), ("client_secret", own), ("code_verifier", VERIFIER)];
    let first = house.token(&[&grant[..], &proof].concat()).await.unwrap().json();
    let refresh = first["refresh_token"].as_str().unwrap();
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let second = house.token(&[&grant[..], &proof[..2]].concat()).await.unwrap().json();
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(house.call(access).await["result"]["isError"], false);
    // Two who are still on their way: before a page of ours, and before a client that has not come for its tokens.
    let waiting = Plain::default().fetch(&house.authorize(id)).await;
    let page = waiting.text();
    let (_, journey) = page.split_once("name=\"journey\" value=\"").unwrap();
    let journey = journey.split('"').next().unwrap();
    let unspent = parameter(&Person::called("bob").walk(&house.authorize(id), BACK).await, "code");

    let upstream = house.tap.bearer_tokens().pop().unwrap();
    let mut secrets =
        vec![own, &code, &unspent, refresh, access, journey, &upstream, SECRET, VERIFIER, CHALLENGE];
    let others = ["access_token", "refresh_token"].map(|name| second[name].as_str().unwrap());
    secrets.extend(others.iter().chain([&first["access_token"].as_str().unwrap()]));
    secrets.extend(person.cookies());
    // Tokens in parts, too, and what they say of the person.
    let parts: Vec<_> =
        secrets.iter().flat_map(|secret| secret.split('.')).filter(|part| part.len() > 15).collect();
    let telling = ["alice@example.com", "PRIVATE KEY", "\"d\":", "the state of a client"];
    let check = |when: &str| {
        let bytes = house.bytes_at_rest();
        assert!(holds(&bytes, "redb"), "{when}: this is the file");
        for secret in secrets.iter().chain(&parts).chain(&telling) {
            assert!(!holds(&bytes, secret), "{when}: {secret} can be read");
        }
    };
    check("at work");
    gateway.kill().await;
    check("after its end");
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn parameter(url: &url::Url, name: &str) -> String {
    let found = url.query_pairs().find_map(|(told, value)| (told == name).then(|| value.into_owned()));
    found.unwrap_or_else(|| panic!("no {name}: {url}"))
}
