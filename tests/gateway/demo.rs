//! `countersign demo --check`: the whole chain in one process, and who notices when one link is broken.

use crate::gateway::{countersign, output};

async fn check(broken: Option<&str>) -> (i32, String) {
    let mut command = countersign();
    command.args(["demo", "--check"]);
    if let Some(broken) = broken {
        command.args(["--break", broken]);
    }
    let (code, out, err) = output(&mut command).await;
    assert_eq!(err, "");
    (code, out)
}

#[tokio::test]
async fn every_row_is_as_declared() {
    let (code, table) = check(None).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.ends_with("12 of 12 rows are as declared\n"), "{table}");
    assert!(table.contains("McpAdmin as alice@example.com"), "{table}");
}

#[tokio::test]
async fn the_row_that_a_broken_link_breaks_says_why() {
    for (broken, row, why) in [
        ("role", "bob", "no rule gives you a role"),
        ("trust", "alice", "AWS does not let you act in the role"),
        ("signature", "carol", "does not accept the signature"),
        ("token", "alice", "401: the access token was not issued for this service"),
    ] {
        let (code, table) = check(Some(broken)).await;
        assert_eq!(code, 1, "{broken}: {table}");
        let told = table
            .lines()
            .any(|line| line.starts_with(row) && line.contains(why) && line.ends_with("NOT AS DECLARED"));
        assert!(told, "{broken}: {table}");
        let nobody = table.lines().find(|line| line.starts_with("nobody")).unwrap();
        assert!(nobody.ends_with("ok"), "{broken}: {table}");
    }
}
