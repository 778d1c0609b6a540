//! The service's own credentials, from every place where a service may run.
//!
//! What a process is given it is given by its environment, so each case is a process of its own: this test program
//! again, which takes the other branch.

use super::*;
use countersign::{
    proof::{ForwardHeaders, NoCaller},
    sts::{Ambient, ServiceCredentialsLayer, ServiceIdentity},
};
use countersign_fixtures::{
    metadata::Metadata,
    world::{ACCOUNT, USER},
};
use std::{env, fs, path::Path, process::Stdio};
use tokio::process::Command;

const ROLE: &str = "arn:aws:iam::123456789012:role/Node";
/// Tells the second process that it is the second.
const ASKED: &str = "AMBIENT_CREDENTIALS_ASKED";
const FILE: &str = "AMBIENT_CREDENTIALS_FILE";

/// Whom the second process found itself to be, or what it said.
type Found = Result<String, String>;

#[tokio::test]
async fn wherever_a_service_runs_it_finds_its_credentials_or_says_why_not() {
    if env::var_os(ASKED).is_some() {
        return tell().await;
    }
    let scene = Scene::new().await;
    let metadata = Metadata::start(scene.world.sts.book().clone(), ROLE).await;
    let home = tempfile::tempdir().unwrap();
    let place = Place { scene: &scene, metadata: &metadata, home: home.path() };
    let (user, instance) = (place.user(), place.instance());

    // Environment variables, before everything else.
    let [id, secret] = [&user.access_key_id, &user.secret_access_key];
    let keys = [("AWS_ACCESS_KEY_ID", id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret)];
    assert_eq!(place.ask(&[keys[0], keys[1], instance()]).await, Ok("gateway".to_owned()));
    // EC2.
    assert_eq!(place.ask(&[instance()]).await, Ok("Node".to_owned()));
    // ECS, and EKS Pod Identity.
    let (task, pod) = (metadata.container_url(), metadata.pod_url("the-pods-token"));
    let container = |url: &'static str| ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    let (task, pod): (&'static str, &'static str) = (task.leak(), pod.leak());
    assert_eq!(place.ask(&[container(task)]).await, Ok("Node".to_owned()));
    let pod_token = place.file("pod-token", "the-pods-token");
    let pod_token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", pod_token.as_str());
    assert_eq!(place.ask(&[container(pod), pod_token]).await, Ok("Node".to_owned()));
    // A service account's token.
    let token = place.file("token", &scene.token("system:serviceaccount:mcp:gateway"));
    let sts = scene.world.sts.url();
    let account = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", USER),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    assert_eq!(place.ask(&account).await, Ok("McpUser".to_owned()));
    // Profiles.
    let file = place.file(
        "credentials",
        &format!(
            "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             [half]\naws_access_key_id = {id}\n\
             [session]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = {secret}\n"
        ),
    );
    let shared = ("AWS_SHARED_CREDENTIALS_FILE", file.as_str());
    assert_eq!(place.ask(&[shared, instance()]).await, Ok("gateway".to_owned()));
    assert_eq!(place.ask(&[(FILE, &file), instance()]).await, Ok("gateway".to_owned()));

    // What is set up in part, or does not work, is an error, although the machine would have credentials to offer.
    let node = instance();
    for (variables, part) in [
        (vec![keys[0]], "AWS_SECRET_ACCESS_KEY is not"),
        (vec![keys[1]], "AWS_ACCESS_KEY_ID is not"),
        (vec![("AWS_SESSION_TOKEN", "x")], "without the key"),
        (vec![("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"), keys[1]], "session token is missing"),
        (vec![shared, ("AWS_PROFILE", "half")], "missing aws_secret_access_key"),
        (vec![shared, ("AWS_PROFILE", "session")], "session token is missing"),
        (vec![shared, ("AWS_PROFILE", "nobody")], "nobody"),
        (vec![(FILE, "/nowhere/at/all")], "the profile that was named"),
        (vec![account[0]], "AWS_ROLE_ARN is not"),
        (vec![account[1]], "AWS_WEB_IDENTITY_TOKEN_FILE is not"),
        (
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"), account[1], account[2]],
            "service account's token",
        ),
        (vec![container(pod), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another")], "the container's address"),
        (vec![pod_token], "AWS_CONTAINER_CREDENTIALS_FULL_URI is not"),
    ] {
        let mut variables = variables;
        variables.push(node);
        let said = place.ask(&variables).await.expect_err(part);
        assert!(said.contains("NoServiceCredentials") && said.contains(part), "{part}: {said}");
    }
    let said = place.ask(&[("AWS_EC2_METADATA_DISABLED", "true")]).await.unwrap_err();
    assert!(said.contains("EC2's metadata service"), "{said}");
    for member in ["SecretAccessKey", "AccessKeyId", "Token"] {
        metadata.leave_out(member);
        for variable in [node, container(task)] {
            let said = place.ask(&[variable]).await.expect_err(member);
            assert!(said.contains("NoServiceCredentials"), "{member}: {said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_again() {
    let scene = Scene::new().await;
    let home = tempfile::tempdir().unwrap();
    let metadata = Metadata::start(scene.world.sts.book().clone(), ROLE).await;
    let place = Place { scene: &scene, metadata: &metadata, home: home.path() };
    let write = || {
        let user = place.user();
        let text = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            user.access_key_id, user.secret_access_key
        );
        (place.file("credentials", &text), user.access_key_id)
    };
    let (path, first) = write();
    let identity = ServiceIdentity::from(Ambient::new().with_file(path)).with_clock(scene.our_clock());
    let stack = BoxCloneSyncService::new(
        ServiceBuilder::new().layer(ServiceCredentialsLayer::new(identity)).service(service_fn(id_of)),
    );
    assert_eq!(who(&stack).await.unwrap(), first);
    let (_, second) = write();
    assert_eq!(who(&stack).await.unwrap(), first, "it is not read for every request");
    scene.clock.advance(900 * SECOND);
    assert_eq!(who(&stack).await.unwrap(), second);
}

type Service = BoxCloneSyncService<Request<Carry<NoCaller, ()>>, String, BoxError>;

async fn id_of(request: Request<Carry<WithCredentials<NoCaller>, ()>>) -> Result<String, BoxError> {
    let credentials: &AwsCredentials = request.body().proof().fact();
    Ok(credentials.access_key_id().to_owned())
}

async fn who(stack: &Service) -> Result<String, BoxError> {
    stack.clone().oneshot(NoCaller::attach(Request::new(()), &ForwardHeaders::default())).await
}

/// The second process: says what it found, on a line of its own.
async fn tell() {
    let mut ambient = Ambient::new();
    if let Some(path) = env::var_os(FILE) {
        ambient = ambient.with_file(path);
    }
    let stack = BoxCloneSyncService::new(
        ServiceBuilder::new().layer(ServiceCredentialsLayer::new(ambient)).service(service_fn(id_of)),
    );
    match who(&stack).await {
        Ok(id) => println!("\nfound: {id}"),
        Err(error) => println!("\nrefused: {:?}: {}", kind(&error), chain(&error).replace('\n', " ")),
    }
}

/// A machine to run on.
struct Place<'a> {
    scene: &'a Scene,
    metadata: &'a Metadata,
    home: &'a Path,
}

impl Place<'_> {
    fn user(&self) -> countersign_fixtures::credentials::Credentials {
        self.scene.world.sts.book().issue_user(ACCOUNT, "gateway")
    }

    fn instance(&self) -> impl Fn() -> (&'static str, &'static str) {
        let url: &'static str = self.metadata.url().leak();
        move || ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the second process with nothing but these variables, and looks up who it is.
    async fn ask(&self, variables: &[(&str, &str)]) -> Found {
        let this = "credentials::ambient::wherever_a_service_runs_it_finds_its_credentials_or_says_why_not";
        let output = Command::new(env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env_clear()
            .env(ASKED, "yes")
            .env("HOME", self.home)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |mark: &str| text.lines().find_map(|line| Some(line.strip_prefix(mark)?.to_owned()));
        match line("found: ") {
            Some(id) => {
                let arn = self.scene.world.sts.book().find(&id).map(|found| found.principal.arn);
                let arn = arn.unwrap_or_else(|| panic!("{id} was never issued"));
                Ok(arn.split('/').nth(1).unwrap().to_owned())
            }
            None => Err(line("refused: ").unwrap_or_else(|| panic!("it said nothing of use: {text}"))),
        }
    }
}
