use std::{fmt, sync::Arc};

/// Whom a signature is for: a service's signing name, and a region.
///
/// The signing name often differs from the host's first label: `ses` signs for `email.…`, `bedrock` for
/// `bedrock-runtime.…`.
///
/// ```
/// use countersign::sign::SigningTarget;
///
/// let target = SigningTarget::new("execute-api", "eu-west-1")?;
/// assert_eq!((target.service(), target.region()), ("execute-api", "eu-west-1"));
/// assert!(SigningTarget::new("execute-api", "eu-west-1/s3").is_err());
/// # Ok::<(), countersign::sign::InvalidTarget>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SigningTarget {
    service: Arc<str>,
    region: Arc<str>,
}

/// A service or region that no credential scope can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget {
    what: &'static str,
    value: String,
}

impl SigningTarget {
    /// # Errors
    ///
    /// When one of the two is empty or holds anything but lower-case letters, digits and hyphens.
    pub fn new(service: &str, region: &str) -> Result<Self, InvalidTarget> {
        Ok(Self { service: name("service", service)?, region: name("region", region)? })
    }

    /// For names that are known to be good.
    pub(super) fn known(service: &str, region: &str) -> Self {
        Self { service: service.into(), region: region.into() }
    }

    /// The signing name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether the service reads paths as S3 does, encoded once and as they are, and wants to be told the payload's
    /// hash in a header.
    pub(super) fn has_s3_rules(&self) -> bool {
        matches!(&*self.service, "s3" | "s3express" | "s3-object-lambda" | "s3-outposts")
    }
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value } = self;
        write!(f, "{what} {value:?} is no name for a signature; write it as in execute-api or eu-west-1")
    }
}

impl std::error::Error for InvalidTarget {}

fn name(what: &'static str, value: &str) -> Result<Arc<str>, InvalidTarget> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if value.is_empty() || !value.bytes().all(fits) {
        return Err(InvalidTarget { what, value: value.to_owned() });
    }
    Ok(value.into())
}
