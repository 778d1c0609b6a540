//! Other people's test vectors, through our own interface.
//!
//! Each is signed by the engine that takes it, and by the reference as well. What is left out is named in a test of its
//! own, whose name is the reason.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey},
};
use bytes::Bytes;
use countersign::sign::{Engine, Keys, SignedHeaders, SignedPayload, Signer, SigningTarget};
use http::{HeaderName, HeaderValue, Request, request::Parts};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data");
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Signed with dot segments and empty ones left in, for a service that is not S3.
const UNNORMALIZED: [&str; 6] = [
    "get-relative-relative-unnormalized",
    "get-relative-unnormalized",
    "get-slash-dot-slash-unnormalized",
    "get-slash-pointless-dot-unnormalized",
    "get-slash-unnormalized",
    "get-slashes-unnormalized",
];

/// Signed with `%20` as it stands, for a service that is not S3.
const ENCODED_ONCE: [&str; 1] = ["get-space-normalized"];

/// A bare space in the request line, which `http::Uri` refuses; one of AWS and one of botocore.
const WITH_A_SPACE: [&str; 2] = ["get-space-unnormalized", "normalize-path/get-space"];

/// How many of AWS's cases are left out of each of their suites, by the tests below.
const LEFT_OUT: usize = UNNORMALIZED.len() + ENCODED_ONCE.len() + 1;

#[test]
fn forty_signed_in_headers() {
    let mut engines = BTreeMap::<_, usize>::new();
    for case in Case::all("aws-signing-test-suite/v4", "request.txt") {
        if case.is_left_out() {
            continue;
        }
        let (parts, engine) = case.sign();
        assert_eq!(case.signature(&parts), case.expected_in_header(), "{} by {engine:?}", case.name);
        assert_eq!(case.signature(&case.sign_by_reference()), case.expected_in_header(), "{}", case.name);
        *engines.entry(format!("{engine:?}")).or_default() += 1;
    }
    println!("{engines:?}");
    assert_eq!(engines.values().sum::<usize>(), 40 - LEFT_OUT - 1, "and the one without a secret");
    assert!(engines["Prepared"] >= 20, "{engines:?}");
}

#[test]
fn thirty_eight_signed_in_the_query() {
    let mut count = 0;
    for case in Case::all("aws-signing-test-suite/v4", "query-signature.txt") {
        if case.is_left_out() {
            continue;
        }
        let address = case
            .signer()
            .presign(&case.request(), case.payload(), &case.keys(), case.now(), Duration::from_secs(3600))
            .unwrap();
        let signature = address.query().unwrap().rsplit_once("X-Amz-Signature=").unwrap().1;
        let signature = signature.split('&').next().unwrap();
        assert_eq!(signature, case.read("query-signature.txt").unwrap(), "{}", case.name);
        count += 1;
    }
    assert_eq!(count, 38 - LEFT_OUT);
}

#[test]
fn thirty_eight_signed_asymmetrically() {
    let mut count = 0;
    for case in Case::all("aws-signing-test-suite/v4a", "request.txt") {
        if case.is_left_out() {
            continue;
        }
        let target = SigningTarget::across(&case.service(), [case.region().as_str()]).unwrap();
        let signer = case.tuned(Signer::new(target));
        let (mut parts, ()) = case.request().into_parts();
        assert_eq!(
            signer.sign_parts(&mut parts, case.payload(), &case.keys(), case.now()).unwrap(),
            Engine::Reference
        );
        let canonical = case.read("header-canonical-request.txt").unwrap();
        case.verify(&case.signature(&parts), &canonical);

        let hour = Duration::from_secs(3600);
        let address =
            signer.presign(&case.request(), case.payload(), &case.keys(), case.now(), hour).unwrap();
        let query = address.query().unwrap();
        let (_, signature) = query.rsplit_once("X-Amz-Signature=").unwrap();
        let canonical = case.read("query-canonical-request.txt").unwrap();
        case.verify(signature.split('&').next().unwrap(), &canonical);
        assert_eq!(signer.handed_over(), 0);
        count += 1;
    }
    assert_eq!(count, 38 - LEFT_OUT);
}

#[test]
fn thirty_four_of_botocore() {
    let mut count = 0;
    for case in Case::all("botocore-signing-test-suite/v4", "*.req") {
        if case.is_left_out() {
            continue;
        }
        let (parts, engine) = case.sign();
        assert_eq!(case.signature(&parts), case.expected_in_header(), "{} by {engine:?}", case.name);
        assert_eq!(case.signature(&case.sign_by_reference()), case.expected_in_header(), "{}", case.name);
        count += 1;
    }
    assert_eq!(count, 34 - 1, "and the one with a space");
}

#[test]
fn left_out_because_only_s3_leaves_dot_segments_in_a_path_or_encodes_it_once() {
    for name in UNNORMALIZED.iter().chain(&ENCODED_ONCE) {
        let case = Case::named("aws-signing-test-suite/v4", name);
        assert_ne!(case.signature(&case.sign().0), case.expected_in_header(), "{name}");
    }
}

#[test]
fn left_out_because_no_address_holds_a_bare_space() {
    for (suite, name) in
        ["aws-signing-test-suite/v4", "botocore-signing-test-suite/v4"].iter().zip(WITH_A_SPACE)
    {
        let case = Case::named(suite, name);
        assert!(case.is_left_out() && case.address().parse::<http::Uri>().is_err());
    }
}

#[test]
fn left_out_because_its_secret_is_not_told() {
    let case = Case::named("aws-signing-test-suite/v4", "double-encode-path");
    assert!(case.is_left_out() && case.context.is_none());
    let signed = case.read("header-signed-request.txt").unwrap();
    assert!(signed.contains("Credential=ANOTREAL/"));
    // What can be told: the path is encoded twice, which `double-url-encode` holds us to.
    assert!(case.read("header-canonical-request.txt").unwrap().contains("%253D"));
}

struct Case {
    name: String,
    folder: PathBuf,
    context: Option<Value>,
}

impl Case {
    /// Every folder of a suite that holds such a file.
    fn all(suite: &str, file: &str) -> Vec<Self> {
        let root = Path::new(DATA).join(suite);
        let mut folders = vec![root.clone()];
        let mut cases = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries: Vec<PathBuf> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            let is_case = entries.iter().any(|entry| match file.strip_prefix('*') {
                Some(ending) => entry.to_string_lossy().ends_with(ending),
                None => entry.ends_with(file),
            });
            if is_case {
                let name = folder.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                cases.push(Self::named(suite, &name));
            }
            folders.extend(entries.into_iter().filter(|entry| entry.is_dir()));
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    fn named(suite: &str, name: &str) -> Self {
        let folder = Path::new(DATA).join(suite).join(name);
        let context = fs::read_to_string(folder.join("context.json")).ok();
        Self {
            name: name.to_owned(),
            context: context.map(|context| serde_json::from_str(&context).unwrap()),
            folder,
        }
    }

    fn is_left_out(&self) -> bool {
        let name = self.name.as_str();
        UNNORMALIZED.contains(&name)
            || ENCODED_ONCE.contains(&name)
            || WITH_A_SPACE.contains(&name)
            || name == "double-encode-path"
    }

    /// A file as AWS calls it, or as botocore does.
    fn read(&self, file: &str) -> Option<String> {
        let last = self.folder.file_name().unwrap().to_string_lossy().into_owned();
        let theirs = match file {
            "request.txt" => format!("{last}.req"),
            "header-signed-request.txt" => format!("{last}.sreq"),
            other => other.to_owned(),
        };
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).ok();
        read(file).or_else(|| read(&theirs))
    }

    fn told(&self, what: &str) -> Option<&Value> {
        self.context.as_ref()?.get(what)
    }

    fn service(&self) -> String {
        self.told("service").map_or_else(|| self.scope(3), |service| service.as_str().unwrap().to_owned())
    }

    fn region(&self) -> String {
        self.told("region").map_or_else(|| self.scope(2), |region| region.as_str().unwrap().to_owned())
    }

    /// One moment for every case, but for the older one of AWS.
    fn now(&self) -> SystemTime {
        let signed = self.read("header-signed-request.txt").unwrap_or_default().to_ascii_lowercase();
        let date = signed.lines().find_map(|line| line.strip_prefix("x-amz-date:")).map(str::trim);
        let second = match date {
            Some("20150830t123600z") | None => 1_440_938_160,
            Some("20210511t154045z") => 1_620_747_645,
            Some(other) => panic!("{}: {other}", self.name),
        };
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn keys(&self) -> Keys {
        let told = |what| self.told("credentials").and_then(|keys| keys[what].as_str());
        let id = told("access_key_id").map_or_else(|| self.scope(0), str::to_owned);
        let omit = self.told("omit_session_token").and_then(Value::as_bool).unwrap_or(false);
        match told("token").map_or_else(|| self.signed_token(), |token| Some(token.to_owned())) {
            // "After" is: not signed, and put on afterwards. Here a token is always signed.
            Some(token) if !omit => Keys::of_session(id, SECRET.into(), token.into()),
            _ => Keys::new(id, SECRET.into()),
        }
    }

    /// A part of the credential, where nothing but the signed request tells it.
    fn scope(&self, part: usize) -> String {
        let signed = self.read("header-signed-request.txt").unwrap();
        let credential = signed.split_once("Credential=").unwrap().1.split(',').next().unwrap();
        credential.split('/').nth(part).unwrap().to_owned()
    }

    /// botocore's cases have the token in the request, before or after it was signed.
    fn signed_token(&self) -> Option<String> {
        let signed = self.read("header-signed-request.txt")?;
        let covered = signed.split_once("SignedHeaders=")?.1.split(',').next()?.contains("security-token");
        let token = signed.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .starts_with("x-amz-security-token:")
                .then(|| line.split_once(':').unwrap().1)
        })?;
        covered.then(|| token.trim().to_owned())
    }

    fn address(&self) -> String {
        let text = self.read("request.txt").unwrap();
        let line = text.lines().next().unwrap();
        let target = line.split_once(' ').unwrap().1;
        let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
        let host = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        });
        format!("https://{}{target}", host.unwrap())
    }

    fn request(&self) -> Request<()> {
        let text = self.read("request.txt").unwrap();
        let head = text.split_once("\n\n").map_or(text.as_str(), |(head, _)| head);
        let mut lines = head.lines();
        let method = lines.next().unwrap().split(' ').next().unwrap();
        let mut headers: Vec<(&str, String)> = Vec::new();
        for line in lines {
            match line.split_once(':') {
                Some((name, value)) if !line.starts_with(' ') => headers.push((name, value.to_owned())),
                // A value goes on in the next line if that begins with a space.
                Some(_) | None => headers.last_mut().unwrap().1.push_str(line),
            }
        }
        let mut request = Request::builder().method(method).uri(self.address()).body(()).unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
        }
        let host = request.uri().host().unwrap().parse().unwrap();
        request.headers_mut().insert("host", host);
        request
    }

    fn body(&self) -> Bytes {
        let text = self.read("request.txt").unwrap();
        text.split_once("\n\n").map_or_else(Bytes::new, |(_, body)| Bytes::from(body.to_owned()))
    }

    fn payload(&self) -> SignedPayload<'static> {
        SignedPayload::Hash(countersign::sign::PayloadHash::of(&self.body()))
    }

    fn signer(&self) -> Signer {
        self.tuned(Signer::new(SigningTarget::new(&self.service(), &self.region()).unwrap()))
    }

    fn tuned(&self, signer: Signer) -> Signer {
        let signer = signer.with_signed_headers(SignedHeaders::All);
        let tells_hash = self.told("sign_body").and_then(Value::as_bool).unwrap_or(false);
        if tells_hash { signer.with_content_hash() } else { signer }
    }

    fn sign(&self) -> (Parts, Engine) {
        let (mut parts, ()) = self.request().into_parts();
        let engine = self.signer().sign_parts(&mut parts, self.payload(), &self.keys(), self.now()).unwrap();
        (parts, engine)
    }

    fn sign_by_reference(&self) -> Parts {
        let (mut parts, ()) = self.request().into_parts();
        self.signer().sign_by_reference(&mut parts, self.payload(), &self.keys(), self.now()).unwrap();
        parts
    }

    fn signature(&self, parts: &Parts) -> String {
        let authorization = parts.headers["authorization"].to_str().unwrap();
        authorization.split_once("Signature=").unwrap().1.to_owned()
    }

    fn expected_in_header(&self) -> String {
        // botocore has the header in a file of its own; in one case only that one is right.
        let alone = self.folder.join(self.folder.file_name().unwrap()).with_extension("authz");
        let signed =
            fs::read_to_string(alone).unwrap_or_else(|_| self.read("header-signed-request.txt").unwrap());
        signed.split_once("Signature=").unwrap().1.chars().take_while(char::is_ascii_hexdigit).collect()
    }

    /// Whether an asymmetric signature is one over this canonical request.
    fn verify(&self, signature: &str, canonical: &str) {
        let key: Value = serde_json::from_str(&self.read("public-key.json").unwrap()).unwrap();
        let point = format!("04{}{}", key["X"].as_str().unwrap(), key["Y"].as_str().unwrap());
        let hash: String =
            digest(&SHA256, canonical.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/{}/aws4_request\n{hash}",
            self.service()
        );
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, unhex(&point))
            .verify(text.as_bytes(), &unhex(signature))
            .unwrap_or_else(|_| panic!("{}: {signature} is no signature of\n{canonical}", self.name));
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap();
    let pairs = text.as_bytes().as_chunks().0.iter();
    pairs.map(|[high, low]| u8::try_from(digit(*high) << 4 | digit(*low)).unwrap()).collect()
}
