//! AWS's partitions: which DNS suffixes a region's endpoints have.
//!
//! Source: botocore's partitions.json and endpoints.json. A test asks the installed botocore about every region that they
//! list.

/// A set of regions with accounts, ARNs and DNS suffixes of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// As it stands in ARNs.
    pub name: &'static str,
    /// What its regions begin with; a word and a number follow.
    prefix: &'static str,
    /// The suffix of its endpoints.
    pub suffix: &'static str,
    /// The suffix of its dual-stack endpoints; `None` where it has none.
    pub dual_stack_suffix: Option<&'static str>,
}

/// The partition that `region` is in. A region of a form that no other has is one of `aws`, as for botocore.
pub fn of(region: &str) -> &'static Partition {
    OTHERS.iter().find(|partition| partition.has(region)).unwrap_or(&AWS)
}

impl Partition {
    fn has(&self, region: &str) -> bool {
        let global = region.strip_suffix("-global").is_some_and(|name| name == self.name);
        global || region.strip_prefix(self.prefix).is_some_and(is_word_and_number)
    }
}

/// `north-1`.
fn is_word_and_number(text: &str) -> bool {
    text.split_once('-').is_some_and(|(word, number)| {
        !word.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The commercial regions, and all that are in no other partition.
const AWS: Partition =
    Partition { name: "aws", prefix: "", suffix: "amazonaws.com", dual_stack_suffix: Some("api.aws") };

/// The other partitions.
static OTHERS: [Partition; 7] = [
    Partition {
        name: "aws-cn",
        prefix: "cn-",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: Some("api.amazonwebservices.com.cn"),
    },
    Partition { name: "aws-us-gov", prefix: "us-gov-", suffix: "amazonaws.com", dual_stack_suffix: Some("api.aws") },
    Partition {
        name: "aws-eusc",
        prefix: "eusc-de-",
        suffix: "amazonaws.eu",
        dual_stack_suffix: Some("api.amazonwebservices.eu"),
    },
    Partition { name: "aws-iso", prefix: "us-iso-", suffix: "c2s.ic.gov", dual_stack_suffix: Some("api.aws.ic.gov") },
    Partition {
        name: "aws-iso-b",
        prefix: "us-isob-",
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: Some("api.aws.scloud"),
    },
    Partition { name: "aws-iso-e", prefix: "eu-isoe-", suffix: "cloud.adc-e.uk", dual_stack_suffix: None },
    Partition { name: "aws-iso-f", prefix: "us-isof-", suffix: "csp.hci.ic.gov", dual_stack_suffix: None },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_one_partition() {
        for (region, name) in [
            ("eu-west-1", "aws"),
            ("aws-global", "aws"),
            ("local", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("eusc-de-east-1", "aws-eusc"),
            ("cn-north-1", "aws-cn"),
            ("aws-cn-global", "aws-cn"),
            // Not of a partition's form: botocore takes these for regions of aws.
            ("cn-north", "aws"),
            ("cn-north-1a", "aws"),
            ("eusc-fr-east-1", "aws"),
        ] {
            assert_eq!(of(region).name, name, "{region}");
        }
    }
}
