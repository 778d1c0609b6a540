use std::{fmt, str::FromStr, sync::Arc};

/// The name of an IAM role: `arn:aws:iam::123456789012:role/team/Name`, in any partition.
///
/// ```
/// use countersign::proof::RoleArn;
///
/// let role: RoleArn = "arn:aws-cn:iam::123456789012:role/data/Reader".parse()?;
/// assert_eq!((role.partition(), role.account()), ("aws-cn", "123456789012"));
/// assert_eq!((role.path(), role.name()), ("/data/", "Reader"));
///
/// let error = "arn:aws:iam::12345:role/Reader".parse::<RoleArn>().unwrap_err();
/// assert_eq!(error.to_string(), "account \"12345\" is not twelve digits in role ARN \"arn:aws:iam::12345:role/Reader\"");
/// # Ok::<(), countersign::proof::InvalidRoleArn>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn {
    text: Arc<str>,
}

/// A text that names no IAM role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRoleArn {
    text: String,
    problem: String,
}

impl RoleArn {
    /// The whole of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub fn partition(&self) -> &str {
        self.text.split(':').nth(1).unwrap_or_default()
    }

    /// The twelve digits of the account that the role belongs to.
    pub fn account(&self) -> &str {
        self.text.split(':').nth(4).unwrap_or_default()
    }

    /// Where in the account's tree the role is: `/` for most.
    pub fn path(&self) -> &str {
        let resource = self.resource();
        resource.strip_suffix(self.name()).unwrap_or(resource)
    }

    /// The role's name, without its path.
    pub fn name(&self) -> &str {
        self.resource().rsplit('/').next().unwrap_or_default()
    }

    /// Path and name: what follows `role`.
    fn resource(&self) -> &str {
        self.text.split_once(":role").map(|(_, resource)| resource).unwrap_or_default()
    }

    #[cfg_attr(
        not(any(feature = "role", feature = "sts")),
        expect(dead_code, reason = "`SelectRole` and `AssumeRole` hand it on")
    )]
    pub(crate) fn shared(&self) -> Arc<str> {
        self.text.clone()
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(text: &str) -> Result<Self, InvalidRoleArn> {
        match problem_with(text) {
            None => Ok(Self { text: text.into() }),
            Some(problem) => Err(InvalidRoleArn { text: text.to_owned(), problem }),
        }
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for InvalidRoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, problem } = self;
        write!(f, "{problem} in role ARN {text:?}")
    }
}

impl std::error::Error for InvalidRoleArn {}

fn problem_with(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
        return Some("arn:PARTITION:iam::ACCOUNT:role/NAME is not the form".to_owned());
    };
    if !partition.starts_with("aws") || !partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
        return Some(format!("partition {partition:?} does not exist"));
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("account {account:?} is not twelve digits"));
    }
    let Some(resource) = resource.strip_prefix("role/") else {
        return Some(format!("{resource:?} is no role"));
    };
    let (path, name) = resource.rsplit_once('/').unwrap_or(("", resource));
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(in_name) {
        return Some(format!("role name {name:?} is not 1 to 64 letters, digits and _+=,.@-"));
    }
    if path.len() > 510 || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(format!("path {path:?} is not up to 510 printable characters"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iam_gives_out_is_accepted_and_taken_apart() {
        for (text, partition, path, name) in [
            ("arn:aws:iam::123456789012:role/R", "aws", "/", "R"),
            ("arn:aws-us-gov:iam::000000000001:role/a/b/R_+=,.@-9", "aws-us-gov", "/a/b/", "R_+=,.@-9"),
            (
                "arn:aws-iso-b:iam::123456789012:role/aws-service-role/x.amazonaws.com/R",
                "aws-iso-b",
                "/aws-service-role/x.amazonaws.com/",
                "R",
            ),
            ("arn:aws-eusc:iam::123456789012:role/a:role/R", "aws-eusc", "/a:role/", "R"),
        ] {
            let role: RoleArn = text.parse().unwrap();
            assert_eq!((role.partition(), role.path(), role.name()), (partition, path, name));
            assert_eq!(role.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        for (text, problem) in [
            ("", "is not the form"),
            ("arn:aws:iam:us-east-1:123456789012:role/R", "is not the form"),
            ("arn:aws:sts::123456789012:assumed-role/R/s", "is not the form"),
            ("arn:gcp:iam::123456789012:role/R", "does not exist"),
            ("arn:AWS:iam::123456789012:role/R", "does not exist"),
            ("arn:aws:iam::12345678901:role/R", "is not twelve digits"),
            ("arn:aws:iam::１２３４:role/R", "is not twelve digits"),
            ("arn:aws:iam::123456789012:user/R", "is no role"),
            ("arn:aws:iam::123456789012:role/", "is not 1 to 64"),
            ("arn:aws:iam::123456789012:role/R ", "is not 1 to 64"),
            ("arn:aws:iam::123456789012:role/a b/R", "printable"),
        ] {
            let error = text.parse::<RoleArn>().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
