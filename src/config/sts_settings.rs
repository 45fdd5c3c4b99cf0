//! Determines the STS endpoint settings of each hop. Flags and variables override the hop's profile, and the hop's profile
//! overrides the vended profile.
//!
//! The precedence of endpoint settings is that of the SDKs:
//! [service-specific endpoints](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).

use std::path::PathBuf;

use crate::{
    arn::Region,
    cli::IdentityArgs,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, not_a_url, pick, pick_list, shown, split_list},
    },
    sts::{Proxies, endpoint::EndpointSettings},
};

/// STS settings from flags and variables.
#[derive(Default)]
pub(super) struct StsSettings {
    pub(super) region: Option<Region>,
    fallback_regions: Vec<Setting>,
    url: Option<String>,
    ignore_configured_urls: bool,
    fips: Option<bool>,
    dual_stack: Option<bool>,
    legacy: Option<bool>,
    ca_bundle: Option<PathBuf>,
    /// The CA bundle of other programs, for profiles without one.
    other_ca_bundle: Option<PathBuf>,
    pub(super) proxies: Proxies,
}

/// STS settings of one hop.
pub(super) struct HopSettings {
    pub(super) endpoint: EndpointSettings,
    /// Regions whose STS is asked if the STS of the endpoint fails.
    pub(super) fallback_regions: Vec<Setting>,
    /// Origins of the settings that enable FIPS and dual-stack, for error messages.
    pub(super) variant_origin: String,
    pub(super) ca_bundle: Option<PathBuf>,
}

/// STS settings of a profile.
pub(super) trait StsKeys {
    /// Returns the value and the origin of a key.
    fn key(&self, name: &str) -> Option<(String, String)>;

    /// Returns the endpoint URL and its origin from the profile's `services` section, or else from the profile.
    fn endpoint_url(&self, errors: &mut ConfigErrors) -> Option<(String, String)>;
}

impl StsSettings {
    pub(super) fn read(args: &IdentityArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Self {
        let region = pick(args.region.as_ref(), "--region", env, &["AWS_REGION", "AWS_DEFAULT_REGION"]);
        let flag = |name: &str, errors: &mut ConfigErrors| env.text(name).and_then(|text| boolean(name, &text, errors));
        let ignore_configured_urls = flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", errors).unwrap_or(false);
        let url = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]
            .iter()
            .filter(|_| !ignore_configured_urls)
            .find_map(|name| Some((env.text(name)?, *name)))
            .and_then(|(text, name)| endpoint_url(name, text, errors));
        let either_case = |upper: &str| pick(None, "", env, &[upper, &upper.to_lowercase()]);
        let proxies = Proxies {
            https: either_case("HTTPS_PROXY").and_then(|setting| proxy_url(setting, errors)),
            http: either_case("HTTP_PROXY").and_then(|setting| proxy_url(setting, errors)),
            no_proxy: either_case("NO_PROXY").map(|setting| setting.text),
        };
        Self {
            region: region.and_then(|setting| setting.check(Region::parse(&setting.text), errors)),
            fallback_regions: pick_list(
                &args.sts_fallback_region,
                "--sts-fallback-region",
                env,
                "CREDVEND_STS_FALLBACK_REGIONS",
            ),
            url,
            ignore_configured_urls,
            fips: flag("AWS_USE_FIPS_ENDPOINT", errors),
            dual_stack: flag("AWS_USE_DUALSTACK_ENDPOINT", errors),
            legacy: env
                .text("AWS_STS_REGIONAL_ENDPOINTS")
                .and_then(|text| legacy("AWS_STS_REGIONAL_ENDPOINTS", &text, errors)),
            ca_bundle: env.text("AWS_CA_BUNDLE").map(PathBuf::from),
            // Go and the Rust SDK read the first, botocore reads the second.
            other_ca_bundle: pick(None, "", env, &["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
                .map(|setting| setting.text.into()),
            proxies,
        }
    }

    /// Returns the settings of a hop. `profiles` holds the hop's profile and then the vended profile.
    pub(super) fn for_hop(&self, profiles: &[&dyn StsKeys], errors: &mut ConfigErrors) -> HopSettings {
        let key = |name: &str| profiles.iter().find_map(|profile| profile.key(name));
        // Returns the origin of the setting if the setting is true.
        let flag = |value: Option<bool>, variable: &str, name: &str, errors: &mut ConfigErrors| match value {
            Some(value) => value.then(|| variable.to_owned()),
            None => {
                key(name).filter(|(text, origin)| boolean(origin, text, errors) == Some(true)).map(|(_, origin)| origin)
            }
        };
        let fips = flag(self.fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", errors);
        let dual_stack = flag(self.dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", errors);
        let ignore_configured_urls =
            self.ignore_configured_urls || flag(None, "", "ignore_configured_endpoint_urls", errors).is_some();
        let legacy = self
            .legacy
            .or_else(|| key("sts_regional_endpoints").and_then(|(text, origin)| legacy(&origin, &text, errors)));
        let region = self.region.clone().or_else(|| {
            let (text, origin) = key("region")?;
            let parsed = Region::parse(&text);
            Setting { text, origin }.check(parsed, errors)
        });
        let url = if ignore_configured_urls { None } else { self.url.clone() };
        let url = url.or_else(|| {
            let mut configured = profiles.iter().filter(|_| !ignore_configured_urls);
            configured
                .find_map(|profile| profile.endpoint_url(errors))
                .and_then(|(text, origin)| endpoint_url(&origin, text, errors))
        });
        let ca_bundle = self.ca_bundle.clone().or_else(|| key("ca_bundle").map(|(text, _)| text.into()));
        let ca_bundle = ca_bundle.or_else(|| self.other_ca_bundle.clone());
        let legacy = legacy.unwrap_or(false);
        // SDKs read the pseudo-regions of old configurations as a region with FIPS endpoints.
        let pseudo_region = region.as_ref().filter(|region| region.is_fips());
        let fips = fips.or_else(|| pseudo_region.map(|region| format!("the region {}", region.as_str())));
        let (is_fips, is_dual_stack) = (fips.is_some(), dual_stack.is_some());
        let fallback_regions = match self.fallback_regions.as_slice() {
            [] => key("credvend_sts_fallback_regions").map(|(list, origin)| split_list(&list, &origin)),
            regions => Some(regions.to_vec()),
        };
        HopSettings {
            fallback_regions: fallback_regions.unwrap_or_default(),
            endpoint: EndpointSettings { region, fips: is_fips, dual_stack: is_dual_stack, legacy, url },
            variant_origin: fips.into_iter().chain(dual_stack).collect::<Vec<_>>().join(" and "),
            ca_bundle,
        }
    }
}

fn boolean(origin: &str, text: &str, errors: &mut ConfigErrors) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            errors.add(format!("{} must be true or false", shown(origin, text)));
            None
        }
    }
}

fn legacy(origin: &str, text: &str, errors: &mut ConfigErrors) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "legacy" => Some(true),
        "regional" => Some(false),
        _ => {
            errors.add(format!("{} must be regional or legacy", shown(origin, text)));
            None
        }
    }
}

/// Parses an HTTP or HTTPS URL that has a host and no query. A user name or password would become a second `Authorization` header.
fn endpoint_url(origin: &str, text: String, errors: &mut ConfigErrors) -> Option<String> {
    match reqwest::Url::parse(&text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            errors.add(format!("{origin} must not contain a user name or password; remove them from the URL"));
            None
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() => {
            Some(url.into())
        }
        _ => {
            errors.add(not_a_url(origin, &text, "https://sts.example.com"));
            None
        }
    }
}

/// Returns the URL of a proxy. Without a scheme it is an `http` URL, as for curl. The URL can hold a password, so no error shows it.
///
/// Returns the URL as the parser writes it, so that `check` and the exchange read the same proxy.
fn proxy_url(setting: Setting, errors: &mut ConfigErrors) -> Option<String> {
    let Setting { text, origin } = setting;
    let url = if text.contains("://") { text } else { format!("http://{text}") };
    match reqwest::Url::parse(&url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && Proxies::is_usable(url.as_str()) => Some(url.into()),
        _ => {
            errors.add(format!(
                "{origin} is not the URL of an HTTP proxy; set a URL such as http://proxy.example.com:3128, or unset it"
            ));
            None
        }
    }
}
