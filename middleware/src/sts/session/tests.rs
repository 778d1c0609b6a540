use super::*;
use crate::{expression::TextExpression, proof::RoleArn, sts::StaticKeys};

const HOP: &str = "arn:aws:iam::210987654321:role/Hop";

fn arn(text: &str) -> RoleArn {
    text.parse().unwrap()
}

fn condition(source: &str) -> Expression {
    Expression::compile(source).unwrap()
}

fn text(source: &str) -> TextExpression {
    TextExpression::compile(source).unwrap()
}

fn brokered() -> SessionBuilder {
    Session::brokered(StaticKeys::new("AKIDEXAMPLE", "secret".into()))
}

fn problems(builder: SessionBuilder) -> Vec<String> {
    builder.build().map_or_else(|error| error.problems().to_vec(), |_| Vec::new())
}

#[test]
fn what_aws_would_refuse_is_refused_at_load() {
    let hour = Duration::from_secs(3600);
    let transitive = || SessionTag::new("Team", "x").transitive();
    let cases = [
        (Session::caller().with_tag(SessionTag::new("a", "b")), "claims of its token"),
        (Session::caller().with_source_identity("alice"), "claim of its token"),
        (Session::caller().with_external_id("abc"), "a web identity has none"),
        (Session::caller().with_duration(hour * 13), "900 s to 43,200 s"),
        (Session::caller().then(Hop::to(arn(HOP)).with_duration(hour * 2)), "at most 3,600 s"),
        (Session::caller().then(Hop::to(arn(HOP)).with_session_name("a b")), "session name"),
        (
            brokered().with_policy_when(condition("tool.read_only"), SessionPolicy::document("[]")),
            "no policy document",
        ),
        (
            Session::caller()
                .then(Hop::to(arn(HOP)))
                .then(Hop::to(arn("arn:aws-cn:iam::210987654321:role/Hop"))),
            "no role of one partition",
        ),
        (
            brokered().with_source_identity("alice").then(Hop::to(arn(HOP)).with_source_identity("bob")),
            "set it once",
        ),
        (
            brokered().with_tag(transitive()).then(Hop::to(arn(HOP)).with_tag(SessionTag::new("TEAM", "y"))),
            "send it once",
        ),
        (brokered().with_tag(SessionTag::new("a", "b")).with_tag(SessionTag::new("A", "c")), "twice"),
        (brokered().with_tag(SessionTag::new("a", "<")), "a value has up to 256"),
        (brokered().with_source_identity("a b"), "source identity"),
        (brokered().with_policy(SessionPolicy::document("{}")), "no policy document"),
        (
            Session::caller().then(
                Hop::to(arn(HOP)).with_policy(SessionPolicy::managed(["arn:aws:iam::123456789012:policy/P"])),
            ),
            "the role's own account",
        ),
    ];
    for (builder, part) in cases {
        let found = problems(builder);
        assert!(matches!(&found[..], [one] if one.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn what_aws_takes_is_taken() {
    let tag = SessionTag::new("Team", "x");
    for good in [
        Session::caller().with_duration(Duration::from_secs(43_200)),
        Session::caller().then(Hop::to(arn(HOP)).with_tag(tag.clone()).with_external_id("4c11a3e8")),
        brokered()
            .with_tag(tag.clone())
            .with_source_identity(SessionValue::session_name())
            .with_external_id("4c11a3e8")
            .then(Hop::to(arn(HOP)).with_tag(tag)),
    ] {
        assert_eq!(problems(good), [""; 0]);
    }
}

#[test]
fn every_setting_makes_another_session() {
    let hop = || Hop::to(arn(HOP));
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let sessions = [
        Session::caller(),
        Session::caller().ending_with_caller(),
        Session::caller().with_duration(minutes(30)),
        Session::caller().with_policy(SessionPolicy::document(r#"{"Statement":[{}]}"#)),
        Session::caller().with_policy(SessionPolicy::managed(["arn:aws:iam::aws:policy/A"])),
        Session::caller().with_policy(SessionPolicy::managed(["arn:aws:iam::aws:policy/B"])),
        Session::upstream("corp", Upstream::IdToken),
        Session::upstream("corp", Upstream::AccessToken),
        Session::upstream("other", Upstream::IdToken),
        brokered(),
        brokered(),
        brokered().with_external_id("one"),
        Session::caller().then(hop()),
        Session::caller().then(Hop::to(arn("arn:aws:iam::210987654321:role/Other"))),
        Session::caller().then(hop()).then(hop()),
        Session::caller().then(hop().with_session_name("gateway")),
        Session::caller().then(hop().with_duration(minutes(30))),
        Session::caller().then(hop().with_external_id("one")),
        Session::caller().then(hop().with_external_id("other")),
        Session::caller().then(hop().with_source_identity("one")),
        Session::caller().then(hop().with_source_identity("other")),
        Session::caller().then(hop().with_source_identity(text("claims.one"))),
        Session::caller().then(hop().with_tag(SessionTag::new("a", "b"))),
        Session::caller().then(hop().with_tag(SessionTag::new("a", "c"))),
        Session::caller().then(hop().with_tag(SessionTag::new("b", "b"))),
        Session::caller().then(hop().with_tag(SessionTag::new("a", "b").transitive())),
        Session::caller().then(hop().with_tag(SessionTag::new("a", text("claims.b")))),
        Session::caller().then(hop().with_tag(SessionTag::new("a", text("claims.b")).optional())),
        Session::caller().then(hop().with_policy_when(
            condition("tool.read_only"),
            SessionPolicy::managed(["arn:aws:iam::aws:policy/A"]),
        )),
        Session::caller().then(hop().with_policy_when(
            condition("tool.destructive"),
            SessionPolicy::managed(["arn:aws:iam::aws:policy/A"]),
        )),
        Session::caller().then(hop().with_policy_when(
            condition("tool.destructive"),
            SessionPolicy::managed(["arn:aws:iam::aws:policy/B"]),
        )),
        Session::caller().then(hop().with_policy(SessionPolicy::managed(["arn:aws:iam::aws:policy/A"]))),
    ];
    let count = sessions.len();
    let digests: std::collections::HashSet<Short> =
        sessions.into_iter().map(|session| *session.build().unwrap().digest()).collect();
    assert_eq!(digests.len(), count);
    assert_eq!(Session::caller().build().unwrap().digest(), Session::default().digest());
}
