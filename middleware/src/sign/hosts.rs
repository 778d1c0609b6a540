//! Whom a request is signed for, told from the host it goes to.
//!
//! The table is explicit and anchored at both ends: what it does not name is an error, never a guess.

use super::SigningTarget;
use std::{collections::HashMap, fmt, sync::LazyLock};

/// A host that tells no target, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHost {
    host: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotAws,
    NoRegion,
    OtherPartition,
    UnknownService,
}

/// Where endpoints are, and which regions belong there.
struct Domain {
    suffix: &'static str,
    partition: Partition,
    kind: DomainKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DomainKind {
    /// Services, and what belongs to one resource of some.
    Services,
    /// Services over IPv6 too, and newer ones.
    DualStack,
    /// Functions and lattices, each under a name of its own.
    Resources,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Partition {
    /// Commercial and GovCloud, which share their domains.
    Aws,
    China,
    Europe,
}

const DOMAINS: [Domain; 9] = [
    domain("amazonaws.com", Partition::Aws, DomainKind::Services),
    domain("api.aws", Partition::Aws, DomainKind::DualStack),
    domain("on.aws", Partition::Aws, DomainKind::Resources),
    domain("amazonaws.com.cn", Partition::China, DomainKind::Services),
    domain("api.amazonwebservices.com.cn", Partition::China, DomainKind::DualStack),
    domain("on.amazonwebservices.com.cn", Partition::China, DomainKind::Resources),
    domain("amazonaws.eu", Partition::Europe, DomainKind::Services),
    domain("api.amazonwebservices.eu", Partition::Europe, DomainKind::DualStack),
    domain("on.amazonwebservices.eu", Partition::Europe, DomainKind::Resources),
];

/// Hosts without a region in their name, which belong to one all the same.
const GLOBAL: [(&str, &str, &str); 22] = [
    ("budgets.amazonaws.com", "budgets", "us-east-1"),
    ("cloudfront.amazonaws.com", "cloudfront", "us-east-1"),
    ("global.health.amazonaws.com", "health", "us-east-1"),
    ("iam.amazonaws.com", "iam", "us-east-1"),
    ("iam-fips.amazonaws.com", "iam", "us-east-1"),
    ("iam.global.api.aws", "iam", "us-east-1"),
    ("route53.amazonaws.com", "route53", "us-east-1"),
    ("route53-fips.amazonaws.com", "route53", "us-east-1"),
    ("route53.global.api.aws", "route53", "us-east-1"),
    ("cloudfront.global.api.aws", "cloudfront", "us-east-1"),
    ("savingsplans.amazonaws.com", "savingsplans", "us-east-1"),
    ("sts.amazonaws.com", "sts", "us-east-1"),
    ("waf.amazonaws.com", "waf", "us-east-1"),
    ("waf-fips.amazonaws.com", "waf", "us-east-1"),
    ("s3-external-1.amazonaws.com", "s3", "us-east-1"),
    ("budgets.amazonaws.com.cn", "budgets", "cn-northwest-1"),
    ("global.health.amazonaws.com.cn", "health", "cn-northwest-1"),
    ("route53.amazonaws.com.cn", "route53", "cn-northwest-1"),
    ("global.health.us-gov.amazonaws.com", "health", "us-gov-west-1"),
    ("iam.us-gov.amazonaws.com", "iam", "us-gov-west-1"),
    ("route53.us-gov.amazonaws.com", "route53", "us-gov-west-1"),
    ("organizations.us-gov.amazonaws.com", "organizations", "us-gov-west-1"),
];

/// Endings of hosts that belong to one resource (an API, a gateway, a bucket, an account), before the region.
const OF_RESOURCES: [(&str, &str); 20] = [
    ("execute-api", "execute-api"),
    ("appsync-api", "appsync"),
    ("gateway.bedrock-agentcore", "bedrock-agentcore"),
    ("ats.iot", "iotdata"),
    ("control-kinesis", "kinesis"),
    ("data-kinesis", "kinesis"),
    ("data.mediastore", "mediastore"),
    ("ddb", "dynamodb"),
    ("kinesisvideo", "kinesisvideo"),
    ("timestream", "timestream"),
    ("s3", "s3"),
    ("s3-fips", "s3"),
    ("s3.dualstack", "s3"),
    ("s3-fips.dualstack", "s3"),
    ("s3-accesspoint", "s3"),
    ("s3-accesspoint-fips", "s3"),
    ("s3-accesspoint.dualstack", "s3"),
    ("s3-control", "s3"),
    ("s3-object-lambda", "s3-object-lambda"),
    ("s3-outposts", "s3-outposts"),
];

/// Hosts of one resource where the region comes before the service.
const BEHIND_THE_REGION: [(&str, &str); 3] = [("es", "es"), ("aoss", "aoss"), ("cloudsearch", "cloudsearch")];

static PREFIXES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    include_str!("endpoints.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| {
            let (name, prefixes) = match line.split_once(": ") {
                Some((name, prefixes)) => (Some(name), prefixes),
                None => (None, line),
            };
            prefixes.split_whitespace().map(move |prefix| (prefix, name.unwrap_or(prefix)))
        })
        .collect()
});

impl SigningTarget {
    /// Service and region as the host of an AWS endpoint tells them: of a service, of a resource such as
    /// `<id>.execute-api.<region>` or a bucket, or of an endpoint in one's own network, in the partitions aws, aws-cn,
    /// aws-us-gov and aws-eusc.
    ///
    /// ```
    /// use countersign::sign::SigningTarget;
    ///
    /// let target = SigningTarget::of_host("bedrock-runtime.eu-west-1.amazonaws.com")?;
    /// assert_eq!((target.service(), target.region()), ("bedrock", "eu-west-1"));
    /// assert!(SigningTarget::of_host("bedrock-runtime.eu-west-1.evil-amazonaws.com").is_err());
    /// # Ok::<(), countersign::sign::UnknownHost>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the host is none of AWS's, names no region, or names a service that is not in the table. Nothing is guessed:
    /// [`SigningTarget::new`] takes both by name.
    pub fn of_host(host: &str) -> Result<Self, UnknownHost> {
        let lower = host.to_ascii_lowercase();
        let unknown = |why| UnknownHost { host: host.to_owned(), why };
        if let Some((_, service, region)) = GLOBAL.iter().find(|(global, ..)| *global == lower) {
            return Ok(Self::known(service, region));
        }
        let (labels, domain) = split(&lower).ok_or_else(|| unknown(Why::NotAws))?;
        let (service, region) = match domain.kind {
            DomainKind::Resources => of_function(&labels),
            DomainKind::Services | DomainKind::DualStack => of_service(&labels),
        }
        .map_err(unknown)?;
        if partition(region) != domain.partition {
            return Err(unknown(Why::OtherPartition));
        }
        Ok(Self::known(service, region))
    }
}

impl fmt::Display for UnknownHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::NotAws => "it is not an endpoint of AWS",
            Why::NoRegion => "it names no region",
            Why::OtherPartition => "its region belongs to another partition",
            Why::UnknownService => "the service it begins with is not known",
        };
        let host = &self.host;
        write!(f, "host {host:?} does not say whom to sign for: {why}; name service and region explicitly")
    }
}

impl std::error::Error for UnknownHost {}

const fn domain(suffix: &'static str, partition: Partition, kind: DomainKind) -> Domain {
    Domain { suffix, partition, kind }
}

/// The labels before the domain, which are all good ones.
fn split(host: &str) -> Option<(Vec<&str>, &'static Domain)> {
    let good = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    DOMAINS.iter().find_map(|domain| {
        let labels: Vec<&str> = host.strip_suffix(domain.suffix)?.strip_suffix('.')?.split('.').collect();
        labels.iter().all(good).then_some((labels, domain))
    })
}

/// `<prefix>.<region>`, `<resource>.<prefix>.<region>`, `<resource>.<region>.<service>`, and in one's own network
/// `vpce-….<prefix>.<region>.vpce`.
fn of_service<'a>(labels: &[&'a str]) -> Result<(&'static str, &'a str), Why> {
    match labels {
        [before @ .., region, "vpce"] if is_region(region) => {
            // What belongs to S3 says of what kind it is first.
            let at = before.iter().position(|label| label.starts_with("vpce-")).ok_or(Why::UnknownService)?;
            let (kind, prefix) = before.split_at(at);
            let prefix = prefix.split_first().map_or(&[][..], |(_, prefix)| prefix);
            let service = of_prefix(prefix).ok_or(Why::UnknownService)?;
            let fits = kind.is_empty()
                || matches!(kind.last(), Some(&("accesspoint" | "bucket" | "control")) if service == "s3");
            if fits { Ok((service, *region)) } else { Err(Why::UnknownService) }
        }
        [before @ .., region] if is_region(region) => {
            let service = of_prefix(before).or_else(|| of_resource(before)).ok_or(Why::UnknownService)?;
            Ok((service, *region))
        }
        [_, .., region, service] if is_region(region) => {
            let service =
                BEHIND_THE_REGION.iter().find(|(last, _)| last == service).ok_or(Why::UnknownService)?;
            Ok((service.1, *region))
        }
        // Buckets as they were named before regions had labels of their own.
        [.., last] => match last.strip_prefix("s3-") {
            Some(region) if is_region(region) => Ok(("s3", region)),
            _ => Err(Why::NoRegion),
        },
        [] => Err(Why::NoRegion),
    }
}

fn of_function<'a>(labels: &[&'a str]) -> Result<(&'static str, &'a str), Why> {
    match labels {
        [_, "lambda-url", region] if is_region(region) => Ok(("lambda", *region)),
        [_, .., "vpc-lattice-svcs", region] if is_region(region) => Ok(("vpc-lattice-svcs", *region)),
        [.., region] if is_region(region) => Err(Why::UnknownService),
        _ => Err(Why::NoRegion),
    }
}

fn of_prefix(labels: &[&str]) -> Option<&'static str> {
    let labels = match labels {
        ["fips", rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let plain: Vec<&str> = labels.iter().map(|label| label.strip_suffix("-fips").unwrap_or(label)).collect();
    PREFIXES.get(plain.join(".").as_str()).copied()
}

fn of_resource(labels: &[&str]) -> Option<&'static str> {
    let joined = labels.join(".");
    // `<bucket>--<zone>--x-s3.s3express-<zone>`.
    if let [_, .., last] = labels
        && last.starts_with("s3express-")
    {
        return Some("s3express");
    }
    let ends = |ending: &str| {
        let before = joined.strip_suffix(ending)?;
        // A device gateway joins its account and its kind by a hyphen.
        let before = before.strip_suffix(if ending == "ats.iot" { '-' } else { '.' })?;
        (!before.is_empty()).then_some(())
    };
    OF_RESOURCES.iter().find(|(ending, _)| ends(ending).is_some()).map(|(_, service)| *service)
}

/// `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`: a place, directions, and a number.
fn is_region(label: &str) -> bool {
    const PLACES: [&str; 11] = ["af", "ap", "ca", "cn", "eu", "eusc", "il", "me", "mx", "sa", "us"];
    const DIRECTIONS: [&str; 9] =
        ["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];
    let parts: Vec<&str> = label.split('-').collect();
    match parts[..] {
        [place, direction, number]
        | [place @ "us", "gov", direction, number]
        | [place @ "eusc", "de", direction, number] => {
            PLACES.contains(&place)
                && DIRECTIONS.contains(&direction)
                && !number.is_empty()
                && number.len() <= 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

fn partition(region: &str) -> Partition {
    match region.split('-').next() {
        Some("cn") => Partition::China,
        Some("eusc") => Partition::Europe,
        Some(_) | None => Partition::Aws,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINTS: &str = include_str!("hosts.txt");

    #[test]
    fn real_endpoints_tell_whom_to_sign_for() {
        let mut count = 0;
        for line in ENDPOINTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let [host, service, region] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("host, service, region: {line}");
            };
            let target = SigningTarget::of_host(host).unwrap_or_else(|unknown| panic!("{unknown}"));
            assert_eq!((target.service(), target.region()), (service, region), "{host}");
            count += 1;
        }
        assert!(count >= 60, "{count} endpoints");
    }

    #[test]
    fn nothing_else_does() {
        for (host, why) in [
            ("evil-amazonaws.com.example", Why::NotAws),
            ("bedrock-runtime.us-east-1.evil-amazonaws.com", Why::NotAws),
            ("sts.us-east-1.amazonaws.com.example", Why::NotAws),
            ("sts.us-east-1.amazonaws.com.", Why::NotAws),
            ("sts.us-east-1amazonaws.com", Why::NotAws),
            ("amazonaws.com", Why::NotAws),
            (".amazonaws.com", Why::NotAws),
            ("sts..us-east-1.amazonaws.com", Why::NotAws),
            ("sts.us-east-1.amazonaws.com@evil.example", Why::NotAws),
            ("sts.us-east-1.amazonaws.com:443", Why::NotAws),
            ("localhost", Why::NotAws),
            ("", Why::NotAws),
            ("lambda.amazonaws.com", Why::NoRegion),
            ("bucket.s3.amazonaws.com", Why::NoRegion),
            ("s3.amazonaws.com", Why::NoRegion),
            ("us-east-1.amazonaws.com", Why::UnknownService),
            ("nonsense.us-east-1.amazonaws.com", Why::UnknownService),
            ("evil.sts.us-east-1.amazonaws.com", Why::UnknownService),
            ("my-host.compute.us-east-1.amazonaws.com", Why::UnknownService),
            ("ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", Why::UnknownService),
            ("my-balancer-1.eu-west-1.elb.amazonaws.com", Why::UnknownService),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Why::UnknownService),
            ("vpce-1.nonsense.eu-west-1.vpce.amazonaws.com", Why::UnknownService),
            ("evil.vpce-1.sts.eu-west-1.vpce.amazonaws.com", Why::UnknownService),
            ("abc.other.eu-west-1.on.aws", Why::UnknownService),
            ("sts.cn-north-1.amazonaws.com", Why::OtherPartition),
            ("sts.us-east-1.amazonaws.com.cn", Why::OtherPartition),
            ("sts.eu-central-1.amazonaws.eu", Why::OtherPartition),
            ("sts.us-nowhere-1.amazonaws.com", Why::NoRegion),
        ] {
            assert_eq!(SigningTarget::of_host(host).map_err(|unknown| unknown.why), Err(why), "{host}");
        }
    }

    #[test]
    fn the_table_names_every_prefix_once() {
        let listed =
            include_str!("endpoints.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
                line.split_once(": ").map_or(line, |(_, prefixes)| prefixes).split_whitespace().count()
            });
        assert_eq!(listed.sum::<usize>(), PREFIXES.len());
    }
}
