//! Resolves the STS endpoint for a region, a role's partition and the endpoint variants.
//!
//! Pure. Input: region, FIPS, dual-stack, legacy mode and URL override. Output: URL and signing region. The table
//! follows the [service endpoints](https://docs.aws.amazon.com/general/latest/gr/sts.html) and the SDKs' partition
//! metadata. An unknown region belongs to the partition that its prefix matches, otherwise to the commercial partition.

mod partition;

use std::fmt;

use self::partition::{AWS, PARTITIONS, Partition};
use crate::arn::{NotValid, Region, RoleArn};

/// The regions that use the global endpoint in legacy mode.
const LEGACY_GLOBAL_REGIONS: [&str; 16] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The settings that determine an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointSettings {
    pub(crate) region: Option<Region>,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub(crate) fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub(crate) dual_stack: bool,
    /// `AWS_STS_REGIONAL_ENDPOINTS=legacy`.
    pub(crate) legacy: bool,
    /// A URL that overrides the table.
    pub(crate) url: Option<String>,
}

const GLOBAL_URL: &str = "https://sts.amazonaws.com/";

/// The URL that requests are sent to and the region that they are signed for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    /// The region in the credential scope of the signature.
    pub(crate) signing_region: String,
}

impl Endpoint {
    /// Returns the name of the region for logs and metrics: the signing region, or `aws-global` for the global endpoint.
    pub(crate) fn region(&self) -> &str {
        if self.url == GLOBAL_URL { "aws-global" } else { &self.signing_region }
    }

    /// Returns true if the host is one of AWS, and not that of another implementation of STS.
    pub(crate) fn is_aws(&self) -> bool {
        let host = self.url_without_secrets();
        let host = host.split_once("://").map_or("", |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
        let is_under = |suffix: &str| host.strip_suffix(suffix).is_some_and(|label| label.ends_with('.'));
        PARTITIONS.iter().any(|partition| is_under(partition.dns_suffix) || is_under(partition.dual_stack_dns_suffix))
    }

    /// Returns the URL for messages: without trailing slashes, user name and password.
    pub(crate) fn url_without_secrets(&self) -> String {
        match self.url.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{host}{}", path.trim_end_matches('/'))
            }
            None => String::new(),
        }
    }
}

/// Omits user name and password.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signing_region, .. } = self;
        f.debug_struct("Endpoint")
            .field("url", &self.url_without_secrets())
            .field("signing_region", signing_region)
            .finish()
    }
}

impl EndpointSettings {
    /// Checks that FIPS and dual-stack, if enabled, are compatible with the other settings.
    ///
    /// # Errors
    /// Returns a clause to append to the names of the FIPS and dual-stack settings.
    pub(crate) fn check_variant(&self) -> Result<(), NotValid> {
        if !(self.fips || self.dual_stack) {
            return Ok(());
        }
        if self.url.is_some() {
            return Err(NotValid::new("cannot be combined with an endpoint URL; remove one of them"));
        }
        if self.region.is_none() {
            return Err(NotValid::new("cannot be used without a region; set AWS_REGION"));
        }
        Ok(())
    }

    /// Returns the regional endpoint of a fallback region for requests about `role_arn`, with the same variants. A pseudo-region can
    /// require FIPS on its own.
    ///
    /// # Errors
    /// Returns an error if the region is not in the role's partition.
    pub(crate) fn fallback(&self, region: Region, role_arn: &RoleArn) -> Result<Endpoint, NotValid> {
        let partition = Partition::of_region(Partition::real_region(region.real_name()));
        if partition.id != role_arn.partition() {
            return Err(NotValid(format!(
                "is in the partition {}, but the role {role_arn} is in the partition {}; set regions of the role's partition",
                partition.id,
                role_arn.partition()
            )));
        }
        let fips = self.fips || region.is_fips();
        Self { region: Some(region), fips, legacy: false, ..self.clone() }.resolve(role_arn)
    }

    /// Returns the endpoint for requests about `role_arn`.
    ///
    /// # Errors
    /// Returns an error if the settings contradict each other or the role's partition.
    pub(crate) fn resolve(&self, role_arn: &RoleArn) -> Result<Endpoint, NotValid> {
        self.check_variant()?;
        let region = self.region.as_ref().map(|region| Partition::real_region(region.real_name()));
        let signing_region = |partition: &Partition| match region {
            None | Some("aws-global") => partition.implicit_region.to_owned(),
            Some(region) => region.to_owned(),
        };

        if let Some(url) = &self.url {
            return Ok(Endpoint {
                url: url.clone(),
                signing_region: signing_region(Partition::of_id(role_arn.partition())),
            });
        }

        let Some(region) = region else {
            return Ok(implicit(Partition::of_id(role_arn.partition())));
        };
        let partition = Partition::of_region(region);
        if partition.id != role_arn.partition() {
            return Err(NotValid(format!(
                "names a role in the partition {} but the region is in the partition {}; set AWS_REGION to a region of the role's partition",
                role_arn.partition(),
                partition.id
            )));
        }
        let global = region == "aws-global";
        let is_plain = !(self.fips || self.dual_stack);
        if is_plain && (global || (self.legacy && LEGACY_GLOBAL_REGIONS.contains(&region))) {
            return Ok(implicit(&AWS));
        }
        let region = if global { AWS.implicit_region } else { region };
        let suffix = if self.dual_stack { partition.dual_stack_dns_suffix } else { partition.dns_suffix };
        // GovCloud's regional endpoints are FIPS endpoints; only its dual-stack endpoints have a separate FIPS name.
        let plain_name_is_fips = partition.id == "aws-us-gov" && !self.dual_stack;
        let host = if self.fips && !plain_name_is_fips { "sts-fips" } else { "sts" };
        Ok(Endpoint { url: format!("https://{host}.{region}.{suffix}/"), signing_region: region.to_owned() })
    }
}

/// Returns the default endpoint of a partition: the global endpoint in the commercial partition, otherwise the endpoint
/// of the implicit region.
fn implicit(partition: &'static Partition) -> Endpoint {
    let signing_region = partition.implicit_region.to_owned();
    let host = if *partition == AWS { String::new() } else { format!(".{signing_region}") };
    Endpoint { url: format!("https://sts{host}.{}/", partition.dns_suffix), signing_region }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_password() {
        let endpoint =
            Endpoint { url: "http://user:hidden@127.0.0.1:4566/".into(), signing_region: "us-east-1".into() };
        let shown = format!("{endpoint:?}");
        assert!(shown.contains("http://127.0.0.1:4566") && !shown.contains("hidden"), "{shown}");
    }

    /// Settings (`REGION`, optionally `fips`, `dual` and `legacy`) and the role's partition → URL and signing region.
    #[test]
    fn endpoints_follow_partition_and_variant() {
        for (settings, partition, url, signing_region) in [
            ("", "aws", "https://sts.amazonaws.com/", "us-east-1"),
            ("", "aws-cn", "https://sts.cn-northwest-1.amazonaws.com.cn/", "cn-northwest-1"),
            ("aws-global", "aws", "https://sts.amazonaws.com/", "us-east-1"),
            ("eu-central-1", "aws", "https://sts.eu-central-1.amazonaws.com/", "eu-central-1"),
            ("eu-central-1 legacy", "aws", "https://sts.amazonaws.com/", "us-east-1"),
            ("eu-south-1 legacy", "aws", "https://sts.eu-south-1.amazonaws.com/", "eu-south-1"),
            ("us-east-1 fips legacy", "aws", "https://sts-fips.us-east-1.amazonaws.com/", "us-east-1"),
            ("us-west-2 dual", "aws", "https://sts.us-west-2.api.aws/", "us-west-2"),
            ("us-west-2 fips dual", "aws", "https://sts-fips.us-west-2.api.aws/", "us-west-2"),
            ("xx-new-9", "aws", "https://sts.xx-new-9.amazonaws.com/", "xx-new-9"),
            ("us-gov-west-1", "aws-us-gov", "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            ("us-gov-east-1 fips", "aws-us-gov", "https://sts.us-gov-east-1.amazonaws.com/", "us-gov-east-1"),
            ("us-gov-east-1 fips dual", "aws-us-gov", "https://sts-fips.us-gov-east-1.api.aws/", "us-gov-east-1"),
            ("cn-north-1 dual", "aws-cn", "https://sts.cn-north-1.api.amazonwebservices.com.cn/", "cn-north-1"),
            ("us-iso-west-1", "aws-iso", "https://sts.us-iso-west-1.c2s.ic.gov/", "us-iso-west-1"),
            ("us-isob-east-1 fips", "aws-iso-b", "https://sts-fips.us-isob-east-1.sc2s.sgov.gov/", "us-isob-east-1"),
            ("eu-isoe-west-1", "aws-iso-e", "https://sts.eu-isoe-west-1.cloud.adc-e.uk/", "eu-isoe-west-1"),
            ("us-isof-south-1 dual", "aws-iso-f", "https://sts.us-isof-south-1.api.aws.hci.ic.gov/", "us-isof-south-1"),
            ("eusc-de-east-1", "aws-eusc", "https://sts.eusc-de-east-1.amazonaws.eu/", "eusc-de-east-1"),
            ("s3-external-1", "aws", "https://sts.us-east-1.amazonaws.com/", "us-east-1"),
            ("aws-cn-global", "aws-cn", "https://sts.cn-northwest-1.amazonaws.com.cn/", "cn-northwest-1"),
            ("aws-us-gov-global", "aws-us-gov", "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            ("fips-us-gov-west-1 fips", "aws-us-gov", "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            ("us-gov-west-1-fips fips", "aws-us-gov", "https://sts.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
            ("us-east-1-fips fips", "aws", "https://sts-fips.us-east-1.amazonaws.com/", "us-east-1"),
            ("fips-dkr-us-west-2 fips", "aws", "https://sts-fips.us-west-2.amazonaws.com/", "us-west-2"),
            ("fips-aws-global fips", "aws", "https://sts-fips.us-east-1.amazonaws.com/", "us-east-1"),
        ] {
            let words: Vec<&str> = settings.split(' ').collect();
            let resolved = EndpointSettings {
                region: Region::parse(words[0]).ok(),
                fips: words.contains(&"fips"),
                dual_stack: words.contains(&"dual"),
                legacy: words.contains(&"legacy"),
                url: None,
            }
            .resolve(&role(partition));
            let expected = Endpoint { url: url.to_owned(), signing_region: signing_region.to_owned() };
            assert_eq!(resolved, Ok(expected), "{settings:?} in {partition}");
        }
    }

    /// Settings of the hop and a fallback region → the endpoint of the fallback region.
    #[test]
    fn fallback_endpoints_have_the_variants_of_the_hop() {
        let fallback = |settings: &EndpointSettings, region: &str, partition: &str| {
            let region = Region::parse(region).expect("valid");
            settings
                .fallback(region, &role(partition))
                .map(|endpoint| (endpoint.url.clone(), endpoint.region().to_owned()))
        };
        let plain = EndpointSettings { region: Region::parse("eu-central-1").ok(), ..Default::default() };
        let fips = EndpointSettings { fips: true, ..plain.clone() };
        let dual_stack = EndpointSettings { dual_stack: true, ..plain.clone() };
        // The regional endpoint, although the hop uses the global one.
        let legacy = EndpointSettings { legacy: true, ..plain.clone() };
        for (settings, region, partition, url, name) in [
            (&plain, "us-west-2", "aws", "https://sts.us-west-2.amazonaws.com/", "us-west-2"),
            (&plain, "us-west-2-fips", "aws", "https://sts-fips.us-west-2.amazonaws.com/", "us-west-2"),
            (&plain, "aws-global", "aws", GLOBAL_URL, "aws-global"),
            (&fips, "us-west-2", "aws", "https://sts-fips.us-west-2.amazonaws.com/", "us-west-2"),
            (&dual_stack, "us-west-2", "aws", "https://sts.us-west-2.api.aws/", "us-west-2"),
            (&legacy, "us-west-2", "aws", "https://sts.us-west-2.amazonaws.com/", "us-west-2"),
            (&plain, "aws-cn-global", "aws-cn", "https://sts.cn-northwest-1.amazonaws.com.cn/", "cn-northwest-1"),
        ] {
            let expected = Ok((url.to_owned(), name.to_owned()));
            assert_eq!(fallback(settings, region, partition), expected, "{settings:?} {region}");
        }
        assert!(fallback(&plain, "cn-north-1", "aws").is_err() && fallback(&plain, "us-west-2", "aws-cn").is_err());
    }

    #[test]
    fn hosts_of_aws_are_known() {
        let is_aws = |url: &str| Endpoint { url: url.to_owned(), signing_region: String::new() }.is_aws();
        for url in [
            "https://sts.amazonaws.com/",
            "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
            "https://sts.x.api.aws:443/",
        ] {
            assert!(is_aws(url), "{url}");
        }
        for url in
            ["http://127.0.0.1:4566/", "https://s3.local/amazonaws.com", "https://notamazonaws.com/", "http://[::1]:1/"]
        {
            assert!(!is_aws(url), "{url}");
        }
    }

    #[test]
    fn contradictory_settings_are_refused() {
        let region = |name| Region::parse(name).ok();
        let url = Some("http://127.0.0.1:1".to_owned());
        for settings in [
            EndpointSettings { fips: true, url: url.clone(), ..Default::default() },
            EndpointSettings { dual_stack: true, url, ..Default::default() },
            EndpointSettings { fips: true, ..Default::default() },
            EndpointSettings { region: region("cn-north-1"), ..Default::default() },
        ] {
            assert!(settings.resolve(&role("aws")).is_err(), "{settings:?}");
        }
    }

    #[test]
    fn an_endpoint_url_is_signed_for_the_configured_region() {
        let settings = EndpointSettings {
            region: Region::parse("eu-west-3").ok(),
            url: Some("http://127.0.0.1:4566".into()),
            ..Default::default()
        };
        let endpoint = settings.resolve(&role("aws")).expect("resolved");
        assert_eq!((endpoint.url.as_str(), endpoint.signing_region.as_str()), ("http://127.0.0.1:4566", "eu-west-3"));
    }

    fn role(partition: &str) -> RoleArn {
        RoleArn::parse(&format!("arn:{partition}:iam::111111111111:role/app")).expect("valid")
    }
}
