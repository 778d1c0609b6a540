//! Parts of AWS that know nothing of each other.

/// A partition, by its name in ARNs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partition(&'static str);

/// What the regions of a partition begin with; the rest is `aws`.
const BY_REGION: [(&str, &str); 6] = [
    ("cn-", "aws-cn"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
];

impl Partition {
    /// `None` where `region` cannot be one: words of lower-case letters, and a number at the end.
    pub(super) fn of_region(region: &str) -> Option<Self> {
        let (words, number) = region.rsplit_once('-')?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || words.split('-').count() < 2 || !words.split('-').all(is_word) {
            return None;
        }
        let found = BY_REGION.iter().find(|(start, _)| region.starts_with(start));
        Some(Self(found.map_or("aws", |(_, name)| name)))
    }

    /// Its name in ARNs.
    pub(super) fn name(self) -> &'static str {
        if self.0.is_empty() { "aws" } else { self.0 }
    }

    /// Whether `arn` is of this partition.
    pub(super) fn holds(self, arn: &str) -> bool {
        arn.split(':').nth(1) == Some(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, name) in [
            ("eu-west-1", "aws"),
            ("us-gov-east-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-isob-east-1", "aws-iso-b"),
        ] {
            let partition = Partition::of_region(region).unwrap();
            assert_eq!(partition.name(), name);
            assert!(partition.holds(&format!("arn:{name}:iam::123456789012:role/R")));
            assert!(!partition.holds("arn:aws-other:iam::123456789012:role/R"));
        }
        for none in
            ["", "eu", "eu-1", "eu-west", "EU-west-1", "eu-west-1/s3", "eu--1", "-west-1", "eu.west-1"]
        {
            assert_eq!(Partition::of_region(none), None, "{none:?}");
        }
    }
}
