use super::super::SigningTarget;
use http::{Uri, uri::InvalidUri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{fmt, str::FromStr};

/// A runtime in Amazon Bedrock AgentCore, by its ARN: stands for the address that it is called at.
///
/// ```
/// use countersign::sign::AgentRuntime;
///
/// let runtime: AgentRuntime = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/warehouse-a1b2c3d4e5".parse()?;
/// assert_eq!(
///     runtime.url()?,
///     "https://bedrock-agentcore.eu-west-1.amazonaws.com/runtimes/\
///      arn%3Aaws%3Abedrock-agentcore%3Aeu-west-1%3A123456789012%3Aruntime%2Fwarehouse-a1b2c3d4e5/invocations\
///      ?qualifier=DEFAULT"
/// );
/// assert_eq!(runtime.target().region(), "eu-west-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The ARN of an endpoint, `…:runtime/NAME/runtime-endpoint/QUALIFIER`, stands for that endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentRuntime {
    /// The runtime's, without an endpoint.
    arn: String,
    suffix: &'static str,
    target: SigningTarget,
    qualifier: String,
}

/// A text that is no ARN of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAgentRuntime {
    text: String,
    what: &'static str,
}

const SERVICE: &str = "bedrock-agentcore";

/// What stays as it is in a segment of a path, and in a query's value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl AgentRuntime {
    /// Calls this version or endpoint in place of `DEFAULT`, or of the one that the ARN names.
    #[must_use]
    pub fn with_qualifier(mut self, qualifier: impl Into<String>) -> Self {
        self.qualifier = qualifier.into();
        self
    }

    /// Where it is called.
    ///
    /// # Errors
    ///
    /// When the qualifier makes the address too long to be one.
    pub fn url(&self) -> Result<Uri, InvalidUri> {
        let encoded = |text| utf8_percent_encode(text, SEGMENT);
        format!(
            "https://{SERVICE}.{}.{}/runtimes/{}/invocations?qualifier={}",
            self.target.region(),
            self.suffix,
            encoded(&self.arn),
            encoded(&self.qualifier),
        )
        .parse()
    }

    /// Whom its requests are signed for.
    pub fn target(&self) -> &SigningTarget {
        &self.target
    }
}

impl FromStr for AgentRuntime {
    type Err = InvalidAgentRuntime;

    fn from_str(text: &str) -> Result<Self, InvalidAgentRuntime> {
        let invalid = |what| InvalidAgentRuntime { text: text.to_owned(), what };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, SERVICE, region, account, resource] = parts.as_slice() else {
            return Err(invalid("it is not of that form"));
        };
        let suffix = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            _ => return Err(invalid("there is no such partition")),
        };
        let target = SigningTarget::new(SERVICE, region).map_err(|_| invalid("the region is none"))?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid("the account is not twelve digits"));
        }
        let segments: Vec<&str> = resource.split('/').collect();
        let (name, qualifier) = match segments.as_slice() {
            ["runtime", name] => (name, "DEFAULT"),
            ["runtime", name, "runtime-endpoint", qualifier] => (name, *qualifier),
            _ => return Err(invalid("it names no runtime")),
        };
        let is_name = |name: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            !name.is_empty() && name.bytes().all(fits)
        };
        if !is_name(name) || !is_name(qualifier) {
            return Err(invalid("a name holds letters, digits, hyphens and underscores"));
        }
        let arn = format!("arn:{partition}:{SERVICE}:{region}:{account}:runtime/{name}");
        Ok(Self { arn, suffix, target, qualifier: qualifier.to_owned() })
    }
}

impl fmt::Display for InvalidAgentRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, what } = self;
        write!(
            f,
            "{text:?} is no runtime's ARN, {what}; write it as in \
             arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/NAME"
        )
    }
}

impl std::error::Error for InvalidAgentRuntime {}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(arn: &str) -> String {
        arn.parse::<AgentRuntime>().unwrap_or_else(|invalid| panic!("{invalid}")).url().unwrap().to_string()
    }

    #[test]
    fn every_partition_has_its_hosts() {
        for (partition, region, host) in [
            ("aws", "us-east-1", "bedrock-agentcore.us-east-1.amazonaws.com"),
            ("aws-us-gov", "us-gov-west-1", "bedrock-agentcore.us-gov-west-1.amazonaws.com"),
            ("aws-cn", "cn-north-1", "bedrock-agentcore.cn-north-1.amazonaws.com.cn"),
            ("aws-eusc", "eusc-de-east-1", "bedrock-agentcore.eusc-de-east-1.amazonaws.eu"),
        ] {
            let address =
                url(&format!("arn:{partition}:bedrock-agentcore:{region}:123456789012:runtime/a_b"));
            assert!(
                address.starts_with(&format!("https://{host}/runtimes/arn%3A{partition}%3A")),
                "{address}"
            );
            // The table of hosts says the same.
            let target = SigningTarget::of_host(host).unwrap();
            assert_eq!((target.service(), target.region()), ("bedrock-agentcore", region));
        }
    }

    #[test]
    fn an_endpoint_is_a_qualifier() {
        let arn = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/a-1";
        assert_eq!(url(&format!("{arn}/runtime-endpoint/LIVE")), url(arn).replace("DEFAULT", "LIVE"));
        let qualified = arn.parse::<AgentRuntime>().unwrap().with_qualifier("a b&c");
        assert!(qualified.url().unwrap().query().is_some_and(|query| query == "qualifier=a%20b%26c"));
    }

    #[test]
    fn what_is_no_runtime_is_refused() {
        for (arn, what) in [
            ("https://example.com", "form"),
            ("arn:aws:bedrock:eu-west-1:123456789012:runtime/a", "form"),
            ("arn:aws-moon:bedrock-agentcore:eu-west-1:123456789012:runtime/a", "partition"),
            ("arn:aws:bedrock-agentcore::123456789012:runtime/a", "region"),
            ("arn:aws:bedrock-agentcore:evil.example/:123456789012:runtime/a", "region"),
            ("arn:aws:bedrock-agentcore:eu-west-1:1:runtime/a", "account"),
            ("arn:aws:bedrock-agentcore:eu-west-1:123456789012:gateway/a", "runtime"),
            ("arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/a/b", "runtime"),
            ("arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/", "name"),
            ("arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/a?b", "name"),
        ] {
            let refused = arn.parse::<AgentRuntime>().unwrap_err().to_string();
            assert!(refused.contains(what), "{arn}: {refused}");
        }
    }
}
