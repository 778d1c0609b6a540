//! What is signed here equals what aws-sigv4 signs, byte for byte, whatever the request.
//!
//! `COUNTERSIGN_SIGNING_CASES=1000000 cargo test --release -p countersign-tests --test layers equality` runs longer.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use countersign::{
    Kind,
    sign::{Engine, Keys, PayloadHash, SignedHeaders, SignedPayload, Signer, SigningTarget},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
    string::string_regex,
    test_runner::{Config, TestRunner},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// One request, and the payloads of the calls that repeat it.
#[derive(Clone, Debug)]
struct Case {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    which: SignedHeaders,
    payloads: Vec<Payload>,
    service: &'static str,
    region: &'static str,
    secret: String,
    token: Option<String>,
    now: SystemTime,
}

#[derive(Clone, Debug)]
enum Payload {
    Bytes(Vec<u8>),
    Hash(Vec<u8>),
    Unsigned,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome(BTreeMap<&'static str, String>);

const SET: [&str; 4] = ["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

#[test]
fn every_request_is_signed_as_aws_sigv4_signs_it() {
    let cases =
        env::var("COUNTERSIGN_SIGNING_CASES").map_or(1_500, |cases| cases.parse().expect("it is a number"));
    let (prepared, reference, refused) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let count = |counter: &Cell<u64>| counter.set(counter.get() + 1);
    // Not every text is an address; over a million of them that adds up.
    let config =
        Config { cases, failure_persistence: None, max_local_rejects: u32::MAX, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            let keys = case.keys();
            let target = SigningTarget::new(case.service, case.region).unwrap();
            let signer = Signer::new(target).with_signed_headers(case.which);
            // The first of them is new, the second is worth keeping, the others find it kept; then time goes on.
            for (call, payload) in case.payloads.iter().enumerate() {
                let now = case.now + Duration::from_secs(u64::from(call == 4));
                let mut parts = case.parts();
                match signer.sign_parts(&mut parts, payload.as_signed(), &keys, now) {
                    Ok(engine) => {
                        count(if engine == Engine::Prepared { &prepared } else { &reference });
                        assert_eq!(
                            Outcome::of(&parts.headers),
                            case.expected(payload, now),
                            "{engine:?} {case:?}"
                        );
                    }
                    Err(error) => {
                        count(&refused);
                        assert_eq!(error.kind(), Kind::Unsignable);
                        assert!(case.has_what_is_no_text(), "{error:?} {case:?}");
                        assert_eq!(parts.headers, case.parts().headers);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    let (prepared, reference, refused) = (prepared.get(), reference.get(), refused.get());
    println!(
        "{cases} requests: {prepared} signatures by the prepared engine, {reference} by aws-sigv4, {refused} refused"
    );
    assert!(prepared > reference / 4 && reference > 0 && refused > 0, "every way is taken");
}

fn case() -> impl Strategy<Value = Case> {
    let method =
        select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND", "M-SEARCH"])
            .prop_map(|method| method.parse().unwrap());
    let time = (
        0_u64..30_000,
        prop_oneof![Just(0), Just(86_399), Just(86_398), 0_u64..86_400],
        0_u32..1_000_000_000,
    )
        .prop_map(|(day, second, nanos)| UNIX_EPOCH + Duration::new(day * 86_400 + second, nanos));
    let token = option::of(prop_oneof![
        string_regex("[A-Za-z0-9+/=]{1,40}").unwrap(),
        string_regex("[A-Za-z0-9+/=]{900,1100}").unwrap(),
    ]);
    (
        (method, uri(), vec(header(), 0..8), any::<bool>(), vec(payload(), 5)),
        select(vec!["execute-api", "s3", "bedrock-agentcore", "sts", "s3express"]),
        select(vec!["us-east-1", "eu-west-1", "ap-southeast-2"]),
        string_regex("[A-Za-z0-9+/]{1,80}").unwrap(),
        (token, time),
    )
        .prop_map(|((method, uri, headers, all, payloads), service, region, secret, (token, now))| {
            Case {
                method,
                uri,
                headers,
                which: if all { SignedHeaders::All } else { SignedHeaders::Minimal },
                payloads,
                service,
                region,
                secret,
                token,
                now,
            }
        })
}

/// Whatever `http::Uri` takes, with a liking for what is special to a signature.
fn uri() -> impl Strategy<Value = Uri> {
    let piece = || {
        prop_oneof![
            4 => string_regex("[a-zA-Z0-9._~-]{0,6}").unwrap(),
            1 => string_regex("%[0-9a-fA-F]{2}").unwrap(),
            1 => string_regex("[!-~]").unwrap(),
            1 => string_regex("[+:=,;@!$'()*&{}|\"^`\\[\\]<>\\\\%]{1,2}").unwrap(),
            1 => select(vec![".", "..", "%2e", "ü", "日", "%C3%BC", "%c3", "%", "%2", "%zz", "+", "%2B", "%2F", "%7E", "%25"])
                .prop_map(str::to_owned),
        ]
    };
    let text = move |separators: &'static [&'static str]| {
        vec((select(separators), vec(piece(), 0..3)), 0..5).prop_map(|parts| {
            parts
                .into_iter()
                .fold(String::new(), |text, (separator, pieces)| text + separator + &pieces.concat())
        })
    };
    let authority = select(vec![
        "abc.execute-api.eu-west-1.amazonaws.com",
        "example.com:8443",
        "example.com:443",
        "user@example.com",
        "Example.COM",
        "[::1]:8080",
    ]);
    let clean = |text: String| text.replace(['?', '#'], "");
    (
        authority,
        text(&["/", "/", "/", "/", "/", "/", "/", "//", "/./", "/../"]),
        option::of(text(&["", "&", "&", "=", "&&"])),
    )
        .prop_filter_map("an address", move |(authority, path, query)| {
            let query = query.map_or(String::new(), |query| format!("?{}", query.replace('#', "")));
            format!("https://{authority}{}{query}", clean(path)).parse().ok()
        })
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        3 => select(vec!["content-type", "x-amz-target", "x-amz-meta-a", "x-amz-meta-b", "x-amz-acl", "accept"]).prop_map(str::to_owned),
        1 => select(vec!["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "connection", "host", "te", "user-agent", "content-length"]).prop_map(str::to_owned),
        1 => string_regex("x-amz-[a-z0-9-]{1,12}").unwrap(),
        1 => string_regex("[a-z][a-z0-9-]{0,12}").unwrap(),
    ];
    let value = prop_oneof![
        6 => string_regex("[!-~]{0,20}").unwrap().prop_map(String::into_bytes),
        2 => string_regex("([!-~]{1,5} ){0,3}[!-~]{1,5}").unwrap().prop_map(String::into_bytes),
        1 => string_regex("[ \ta-z]{0,12}").unwrap().prop_map(String::into_bytes),
        // Text of another encoding, which no signature can hold.
        1 => Just(vec![b'a', 0xe9]),
    ];
    (name, value, 0..20_u8).prop_map(|(name, value, seldom)| {
        let value = if value.contains(&0xe9) && seldom > 0 { b"plain".to_vec() } else { value };
        (HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(&value).unwrap())
    })
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..200).prop_map(Payload::Bytes),
        1 => vec(any::<u8>(), 0..200).prop_map(Payload::Hash),
        1 => Just(Payload::Unsigned),
    ]
}

impl Payload {
    fn as_signed(&self) -> SignedPayload<'_> {
        match self {
            Self::Bytes(bytes) => SignedPayload::Bytes(bytes),
            Self::Hash(bytes) => SignedPayload::Hash(PayloadHash::of(bytes)),
            Self::Unsigned => SignedPayload::Unsigned,
        }
    }
}

impl Case {
    fn keys(&self) -> Keys {
        match &self.token {
            Some(token) => Keys::of_session("AKIDEXAMPLE", self.secret.clone().into(), token.clone().into()),
            None => Keys::new("AKIDEXAMPLE", self.secret.clone().into()),
        }
    }

    fn parts(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        for (name, value) in &self.headers {
            parts.headers.append(name, value.clone());
        }
        parts
    }

    /// The headers that ought to be signed, by rules that are written down here once more.
    fn signed(&self) -> Vec<(&str, &HeaderValue)> {
        let connection: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| name == "connection")
            .flat_map(|(_, value)| {
                String::from_utf8_lossy(value.as_bytes())
                    .split(',')
                    .map(|name| name.trim_matches([' ', '\t']).to_lowercase())
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut signed = Vec::new();
        // In the order in which a `HeaderMap` has them: one name after the other.
        for (name, value) in &self.parts().headers {
            let name = name.as_str();
            let never = [
                "connection",
                "te",
                "host",
                "user-agent",
                "via",
                "expect",
                "upgrade",
                "trailer",
                "keep-alive",
            ];
            let minimal = name == "content-type" || name.starts_with("x-amz-");
            if (minimal || self.which == SignedHeaders::All)
                && !SET.contains(&name)
                && !never.contains(&name)
                && !connection.iter().any(|hop| hop == name)
            {
                let known = self.headers.iter().find(|(known, _)| known == name).unwrap().0.as_str();
                let value = self
                    .headers
                    .iter()
                    .find(|(other, given)| other == name && given == value)
                    .map(|(_, v)| v)
                    .unwrap();
                signed.push((known, value));
            }
        }
        signed
    }

    fn has_what_is_no_text(&self) -> bool {
        self.signed().iter().any(|(_, value)| value.to_str().is_err())
    }

    fn expected(&self, payload: &Payload, now: SystemTime) -> Outcome {
        let s3 = self.service.starts_with("s3");
        let mut settings = SigningSettings::default();
        if s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = Credentials::new("AKIDEXAMPLE", &self.secret, self.token.clone(), None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(now)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let body = match payload {
            Payload::Bytes(bytes) | Payload::Hash(bytes) => SignableBody::Bytes(bytes),
            Payload::Unsigned => SignableBody::UnsignedPayload,
        };
        let authority = self.uri.authority().unwrap().as_str();
        let authority = authority.rsplit('@').next().unwrap();
        let host = authority.strip_suffix(":443").unwrap_or(authority);
        let path = if s3 { read_by_s3(self.uri.path()) } else { self.uri.path().to_owned() };
        let query = self.uri.query().map_or(String::new(), |query| format!("?{query}"));
        let mut headers = vec![("host", host)];
        headers.extend(self.signed().into_iter().map(|(name, value)| (name, value.to_str().unwrap())));
        let signable = SignableRequest::new(
            self.method.as_str(),
            format!("https://{host}{path}{query}"),
            headers.into_iter(),
            body,
        )
        .unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut expected = HeaderMap::new();
        for header in instructions.into_parts().0 {
            expected.insert(header.name(), header.value().parse().unwrap());
        }
        Outcome::of(&expected)
    }
}

/// A path as AWS documents it for S3: every segment decoded and encoded once.
fn read_by_s3(path: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| percent_encode(&percent_decode_str(segment).collect::<Vec<u8>>(), SEGMENT).to_string())
        .collect();
    segments.join("/")
}

impl Outcome {
    fn of(headers: &HeaderMap) -> Self {
        let set =
            SET.iter().filter_map(|name| Some((*name, headers.get(*name)?.to_str().unwrap().to_owned())));
        Self(set.collect())
    }
}
