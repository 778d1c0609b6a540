//! `countersign demo`: everything in one process, to be tried with any MCP client.

mod broken;
mod check;
mod client;
mod house;
mod sign_in;
mod table;

use self::{broken::Break, house::House};
use super::Failure;
use clap::Args;
use serde_json::json;
use std::{net::SocketAddr, process::ExitCode};

/// Everything in one process, without configuration or network, until Ctrl-C
///
/// An identity provider with three demo people, an STS that enforces trust policies, three MCP servers of which two
/// demand a valid SigV4 signature from the right role, and the gateway before them, where people sign in. All keys are
/// made anew for every run.
///
/// With --check it acts as those people itself, prints what each was allowed and which role signed, and exits: 0 only
/// if every row is as it should be.
///
/// Example: countersign demo --listen 127.0.0.1:8080
#[derive(Args)]
pub(super) struct Demo {
    /// Where the gateway listens; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Let others reach the gateway, which believes demo identities; all else stays on this machine
    #[arg(long)]
    dangerous_expose: bool,
    /// Drive the whole chain once, print a table, and exit
    #[arg(long)]
    check: bool,
    /// Break one thing first, to see who notices
    #[arg(long = "break", value_name = "WHAT", hide = true, requires = "check")]
    broken: Option<Break>,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        self.stays_here()?;
        super::runtime()?.block_on(async {
            let house = Box::pin(House::build(self.listen, self.broken)).await?;
            if self.check {
                return Box::pin(check::run(house, self.broken)).await;
            }
            invite(&house);
            Box::pin(house.gateway.serve(super::told_to_stop())).await.map(|()| ExitCode::SUCCESS)
        })
    }

    /// The demo's identity provider makes anybody on this machine whoever they like: nothing for others to rely on.
    fn stays_here(&self) -> Result<(), Failure> {
        if self.listen.ip().is_loopback() || self.dangerous_expose {
            return Ok(());
        }
        Err(Failure::usage(
            "the gateway believes demo identities, so it stays on this machine",
            format!("--listen {}", self.listen),
            "listen on 127.0.0.1, or add --dangerous-expose to let others reach it",
        ))
    }
}

/// Tells a person where everything is, and what to try.
fn invite(House { world, archive, gateway, .. }: &House) {
    let (issuer, endpoint) = (world.idp.issuer(), gateway.endpoint());
    println!("gateway             {endpoint}");
    println!("identity provider   {issuer}   (alice, bob and carol)");
    println!("AWS STS             {}", world.sts.url());
    println!("signed MCP servers  {}, {}   (GET /_seen tells what arrived)", world.mcp.url(), archive.url());
    println!("\n# a client configuration: the client opens a page, where you say who you are");
    let servers = json!({"mcpServers": {"demo": {"type": "http", "url": endpoint}}});
    println!("{servers:#}");
    println!("\n# or by hand");
    println!("npx @modelcontextprotocol/inspector --cli {endpoint} --transport http --method tools/list");
    println!(
        "\n# alice is an admin: her calls are signed as McpAdmin, and the archive is hers alone; those of bob and carol"
    );
    println!(
        "# are signed as McpUser, which may not drop_table; try warehouse__whoami as each. Ctrl-C ends it"
    );
}

#[cfg(test)]
mod tests {
    use super::{super::Arguments, *};
    use crate::cli::Command;
    use clap::Parser;

    #[test]
    fn it_stays_on_this_machine_unless_told_otherwise() {
        for elsewhere in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
            let failure = demo(&["--listen", elsewhere]).stays_here().err().unwrap().to_string();
            let [what, place, remedy] = failure.lines().collect::<Vec<_>>()[..] else { panic!("{failure}") };
            assert!(what.starts_with("error: ") && what.contains("stays on this machine"), "{failure}");
            assert_eq!(place, format!("  where: --listen {elsewhere}"));
            assert!(remedy.starts_with("  what to do: listen on 127.0.0.1, or"), "{failure}");
            assert!(remedy.contains("--dangerous-expose"), "{failure}");

            assert!(demo(&["--listen", elsewhere, "--dangerous-expose"]).stays_here().is_ok(), "{elsewhere}");
        }
        for here in [&[][..], &["--listen", "127.0.0.1:8080"], &["--listen", "[::1]:0"]] {
            assert!(demo(here).stays_here().is_ok(), "{here:?}");
        }
    }

    #[test]
    fn nothing_is_broken_where_nobody_looks() {
        assert!(Arguments::try_parse_from(["countersign", "demo", "--break", "role"]).is_err());
    }

    fn demo(arguments: &[&str]) -> Demo {
        let parsed = Arguments::try_parse_from([&["countersign", "demo"], arguments].concat()).unwrap();
        match parsed.command {
            Command::Demo(demo) => demo,
            Command::Revoke(_) | Command::Rotate(_) | Command::Serve(_) | Command::Validate(_) => {
                panic!("it is the demo")
            }
        }
    }
}
