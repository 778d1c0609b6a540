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
    algorithm: Algorithm,
}

/// How a signature is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// HMAC with a key of one region.
    V4,
    /// ECDSA, for a set of regions.
    #[cfg(feature = "sign-v4a")]
    V4a,
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
        let (service, region) = (name("service", service)?, name("region", region)?);
        Ok(Self { service, region, algorithm: Algorithm::V4 })
    }

    /// A set of regions, for services that have one address in several: those take an asymmetric signature
    /// (SigV4a). A region may end in `*`, and `*` alone means all of them.
    ///
    /// ```
    /// use countersign::sign::SigningTarget;
    ///
    /// let target = SigningTarget::across("s3", ["us-east-1", "eu-*"])?;
    /// assert_eq!(target.region(), "us-east-1,eu-*");
    /// assert!(SigningTarget::across("s3", [] as [&str; 0]).is_err());
    /// # Ok::<(), countersign::sign::InvalidTarget>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a name is empty or holds anything but lower-case letters, digits and hyphens.
    #[cfg(feature = "sign-v4a")]
    pub fn across<'r>(
        service: &str,
        regions: impl IntoIterator<Item = &'r str>,
    ) -> Result<Self, InvalidTarget> {
        let mut set = Vec::new();
        for region in regions {
            if region != "*" {
                name("region", region.strip_suffix('*').unwrap_or(region))?;
            }
            set.push(region);
        }
        if set.is_empty() {
            return Err(InvalidTarget { what: "region", value: String::new() });
        }
        let region = set.join(",").into();
        Ok(Self { service: name("service", service)?, region, algorithm: Algorithm::V4a })
    }

    /// For names that are known to be good.
    pub(super) fn known(service: &str, region: &str) -> Self {
        Self { service: service.into(), region: region.into(), algorithm: Algorithm::V4 }
    }

    /// The signing name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The region, or the set of them.
    pub fn region(&self) -> &str {
        &self.region
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the service wants the payload's hash in a header besides.
    pub(super) fn wants_content_hash(&self) -> bool {
        self.has_s3_rules() || matches!(&*self.service, "aoss" | "glacier" | "vpc-lattice-svcs")
    }

    /// Whether the service reads paths as S3 does: encoded once, and as they are.
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
