//! The partitions of AWS, with their DNS suffixes and regions.

/// An AWS partition: a group of regions with its own ARNs and DNS suffixes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// The second part of every ARN in the partition.
    pub(super) id: &'static str,
    pub(super) dns_suffix: &'static str,
    pub(super) dual_stack_dns_suffix: &'static str,
    /// The signing region if no region is configured.
    pub(super) implicit_region: &'static str,
    pub(super) region_prefixes: &'static [&'static str],
}

pub(super) const AWS: Partition = Partition {
    id: "aws",
    dns_suffix: "amazonaws.com",
    dual_stack_dns_suffix: "api.aws",
    implicit_region: "us-east-1",
    region_prefixes: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
};

/// All partitions. The first matching prefix wins, so longer prefixes come first.
pub(super) static PARTITIONS: [Partition; 8] = [
    Partition {
        id: "aws-us-gov",
        dns_suffix: "amazonaws.com",
        dual_stack_dns_suffix: "api.aws",
        implicit_region: "us-gov-west-1",
        region_prefixes: &["us-gov-"],
    },
    Partition {
        id: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        dual_stack_dns_suffix: "api.aws.ic.gov",
        implicit_region: "us-iso-east-1",
        region_prefixes: &["us-iso-"],
    },
    Partition {
        id: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        dual_stack_dns_suffix: "api.aws.scloud",
        implicit_region: "us-isob-east-1",
        region_prefixes: &["us-isob-"],
    },
    Partition {
        id: "aws-iso-e",
        dns_suffix: "cloud.adc-e.uk",
        dual_stack_dns_suffix: "api.cloud-aws.adc-e.uk",
        implicit_region: "eu-isoe-west-1",
        region_prefixes: &["eu-isoe-"],
    },
    Partition {
        id: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        dual_stack_dns_suffix: "api.aws.hci.ic.gov",
        implicit_region: "us-isof-south-1",
        region_prefixes: &["us-isof-"],
    },
    Partition {
        id: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        dual_stack_dns_suffix: "api.amazonwebservices.com.cn",
        implicit_region: "cn-northwest-1",
        region_prefixes: &["cn-"],
    },
    Partition {
        id: "aws-eusc",
        dns_suffix: "amazonaws.eu",
        dual_stack_dns_suffix: "api.amazonwebservices.eu",
        implicit_region: "eusc-de-east-1",
        region_prefixes: &["eusc-"],
    },
    AWS,
];

impl Partition {
    pub(super) fn of_region(region: &str) -> &'static Self {
        PARTITIONS
            .iter()
            .find(|partition| partition.region_prefixes.iter().any(|prefix| region.starts_with(prefix)))
            .unwrap_or(&AWS)
    }

    /// Returns the implicit region of the partition for `aws-cn-global` and the like, otherwise the region itself. `aws-global`
    /// stays, because it stands for the global endpoint.
    pub(super) fn real_region(region: &str) -> &str {
        let partition = region.strip_suffix("-global").filter(|id| *id != AWS.id);
        let partition = partition.and_then(|id| PARTITIONS.iter().find(|partition| partition.id == id));
        partition.map_or(region, |partition| partition.implicit_region)
    }

    pub(super) fn of_id(id: &str) -> &'static Self {
        PARTITIONS.iter().find(|partition| partition.id == id).unwrap_or(&AWS)
    }
}
