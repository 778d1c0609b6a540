//! The oracle and an AWS signer put the same bytes under the signature.

use super::world::{ADMIN, Signer, World, s3};
use aws_sigv4::http_request::{PercentEncodingMode, SigningSettings, UriPathNormalizationMode};
use http::StatusCode;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

#[tokio::test]
async fn the_same_bytes_are_signed_on_both_sides() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    for target in [
        "/",
        "//",
        "/a//b/",
        "/a/./b",
        "/a/b/../c",
        "/arn%3Aaws%3Alambda%3Aeu-west-1/x",
        "/a%20b/%E1%88%B4",
        "/a%2Fb",
        "/~user/-._",
        "/plus+sign/*star/eq=/at@/colon:/semi;/bang!/quote'/paren()",
        "/?",
        "/?flag",
        "/?flag=",
        "/?b=2&a=1",
        "/?a=2&a=1&a=10",
        "/?a1=x&a=y&a-=z&A=w",
        "/?q=a%20b+c%2Bd",
        "/?q=%E1%88%B4&slash=a/b&eq=x%3Dy",
        "/?q=*!'()~-._",
        "/?%C3%A4=1&z=&Z",
    ] {
        let answer = world.send(world.signed(&alice, target, "body")).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text());
        assert_eq!(answer.json()["uri"], target);
    }
}

#[tokio::test]
async fn header_values_are_folded_and_repeated_ones_joined() {
    let world = World::of("execute-api").await;
    let alice = world.session(ADMIN, "alice");
    let answer = world
        .send(Signer::new(&world, "execute-api").sign_with(&alice, "/", "", |headers| {
            for (name, value) in [
                ("x-amz-meta-list", "c"),
                ("x-amz-meta-list", "a"),
                ("x-amz-meta-list", "b"),
                ("my-header1", "  a   b   c  "),
                ("my-header2", "\"a   b   c\""),
                ("my-header3", "a\tb"),
                ("my-empty", ""),
            ] {
                headers.append(name, value.parse().unwrap());
            }
        }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = world.server.oracle().seen();
    let values: Vec<_> = seen[0].headers.get_all("x-amz-meta-list").iter().collect();
    assert_eq!(values, ["c", "a", "b"]);
}

#[tokio::test]
async fn over_http2_the_host_is_the_authority() {
    let mut world = World::of("execute-api").await;
    world.client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let alice = world.session(ADMIN, "alice");
    let answer = world.send(world.signed(&alice, "/", "hello")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!world.server.oracle().seen()[0].headers.contains_key("host"));
}

#[tokio::test]
async fn s3_encodes_once_and_keeps_dots() {
    let world = World::of("s3").await;
    let alice = world.session(ADMIN, "alice");
    for target in
        ["/bucket/a%20b/c", "/bucket/a//b", "/bucket/../x", "/bucket/%E1%88%B4?list-type=2&prefix=a%2Fb"]
    {
        let request = Signer::new(&world, "s3").sign(&alice, target, "body");
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text());

        let mut settings = s3();
        settings.percent_encoding_mode = PercentEncodingMode::Double;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
        let request = Signer::new(&world, "s3").settings(settings).sign(&alice, target, "body");
        let answer = world.send(request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{target} as for another service");
    }
    let request = Signer::new(&world, "s3").settings(SigningSettings::default()).sign(&alice, "/bucket", "");
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("x-amz-content-sha256"), "{}", answer.text());
}
