//! The order of the modules: layers beside each other in the library, one above the other in the server.

use crate::{
    checkout::{File, sources},
    paths::paths,
    rules::{May, Rule, breaches},
};

const LIBRARY: &str = "middleware/src";
const SERVER: &str = "server/src";

const FOR_LAYERS: May = May::Only(&[
    "proof",
    "error",
    "clock",
    "task",
    "outgoing",
    "expression",
    "fetch",
    "flight",
    "refusal",
    "token_endpoint",
]);
const LAYERS_MEET_IN_PROOFS: &str = "a layer knows proof, outgoing, expression, error, clock, task, fetch, flight, refusal and \
                                     token_endpoint, never another layer";

const IN_THE_LIBRARY: &[Rule] = &[
    Rule {
        module: "proof",
        may: May::Only(&["clock", "error"]),
        because: "proof knows clock, error and no layer",
    },
    Rule {
        module: "expression",
        may: May::Only(&["proof", "task"]),
        because: "expressions see what is proven, are parsed on a stack of their own, and know no layer",
    },
    Rule { module: "fetch", may: May::Only(&["error"]), because: "fetch knows error and no layer" },
    Rule { module: "refusal", may: May::Only(&["error"]), because: "refusal knows error and no layer" },
    Rule {
        module: "flight",
        may: May::Only(&["clock", "error", "refusal", "task"]),
        because: "flight knows clock, error, refusal, task and no layer",
    },
    Rule {
        module: "token_endpoint",
        may: May::Only(&["clock", "fetch"]),
        because: "token_endpoint knows clock, fetch and no layer",
    },
    layer("identity"),
    layer("tokens"),
    layer("exchange"),
    layer("role"),
    layer("sts"),
    layer("sign"),
    layer("attach"),
];

const LATER_ONLY: &str = "the order is config, store → federation, upstream → issuer, mcp → http → cli";

const IN_THE_SERVER: &[Rule] = &[
    before("config", &["federation", "upstream", "issuer", "mcp", "http", "cli"]),
    before("store", &["federation", "upstream", "issuer", "mcp", "http", "cli"]),
    before("federation", &["issuer", "mcp", "http", "cli"]),
    before("upstream", &["issuer", "mcp", "http", "cli"]),
    before("issuer", &["http", "cli"]),
    before("mcp", &["http", "cli"]),
    before("http", &["cli"]),
    Rule { module: "manifest", may: May::Only(&["config::raw"]), because: "manifest knows only config::raw" },
];

const fn layer(module: &'static str) -> Rule {
    Rule { module, may: FOR_LAYERS, because: LAYERS_MEET_IN_PROOFS }
}

const fn before(module: &'static str, later: &'static [&'static str]) -> Rule {
    Rule { module, may: May::AllBut(later), because: LATER_ONLY }
}

#[test]
fn layers_of_the_library_meet_only_in_proofs() {
    assert_eq!(breaches(LIBRARY, IN_THE_LIBRARY, &sources()), [""; 0]);
}

#[test]
fn modules_of_the_server_know_only_earlier_ones() {
    assert_eq!(breaches(SERVER, IN_THE_SERVER, &sources()), [""; 0]);
}

#[test]
fn only_task_spawns() {
    assert_eq!(spawns(&sources()), [""; 0]);
}

/// What the library names to start a task or a thread, outside its module `task`.
fn spawns(files: &[File]) -> Vec<String> {
    let mut spawns = Vec::new();
    for file in files {
        let Some(place) = file.below(LIBRARY) else {
            continue;
        };
        if place.first().is_some_and(|module| module == "task") {
            continue;
        }
        for path in paths(&file.text) {
            let names = path.names();
            let starts = match names.as_slice() {
                ["tokio" | "std", .., last] => last.starts_with("spawn") || *last == "JoinSet",
                // Whoever imports these modules writes `task::spawn`, which would read like ours.
                [.., last] => last.starts_with("spawn") && names.contains(&"thread"),
                [] => false,
            };
            let imports = matches!(
                names.as_slice(),
                ["tokio", "task" | "*"] | ["tokio", "task", "*"] | ["std", "thread"]
            );
            if starts || imports {
                let (at, line) = (file.path.display(), path.line);
                spawns.push(format!("{at}:{line} names {}, but only `task` spawns", names.join("::")));
            }
        }
    }
    spawns
}

#[test]
fn these_rules_can_be_broken() {
    let library = [
        ("proof/facts.rs", "use crate::identity::Verifier;"),
        ("sign/service.rs", "use crate::sts::Credentials;"),
        ("sign/service.rs", "use super::super::sts::Credentials;"),
        ("attach/mod.rs", "use crate::respond;"),
    ];
    for (path, text) in library {
        let files = [
            File::made_up(&format!("{LIBRARY}/{path}"), text),
            File::made_up("middleware/src/sts/mod.rs", ""),
        ];
        assert_eq!(breaches(LIBRARY, IN_THE_LIBRARY, &files).len(), 1, "{path}: {text}");
    }
    let server = [
        ("config/raw.rs", "use crate::store::Store; use crate::cli::Command;"),
        ("upstream/client.rs", "use crate::mcp::wire;"),
        ("manifest/toolhive.rs", "use crate::config::{raw::Backend, resolved::Role};"),
        ("http.rs", "fn f() { crate::cli::run() }"),
    ];
    for (path, text) in server {
        let files = [File::made_up(&format!("{SERVER}/{path}"), text)];
        assert_eq!(breaches(SERVER, IN_THE_SERVER, &files).len(), 1, "{path}: {text}");
    }
}

#[test]
fn every_way_to_spawn_is_found() {
    let found = |path: &str, text: &str| spawns(&[File::made_up(&format!("{LIBRARY}/{path}"), text)]).len();
    for text in [
        "fn f() { tokio::spawn(async {}); }",
        "use tokio::task::JoinSet;",
        "use tokio::{sync::Mutex, task};",
        "fn f() { std::thread::spawn(|| ()); }",
        "use tokio::task::spawn_blocking;",
    ] {
        assert_eq!(found("sts/cache.rs", text), 1, "{text}");
        assert_eq!(found("task.rs", text), 0, "{text}");
    }
    assert_eq!(found("sts/cache.rs", "use crate::task; fn f() { task::spawn(async {}); }"), 0);
}
