//! Sends POST requests through reqwest and rustls, bounded in time and response size.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use reqwest::{NoProxy, Proxy, header};

use super::{Endpoint, StsError, request::Form};
use crate::{
    arn::NotValid,
    http::client::{BodyError, CallLimits},
};

pub(super) const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Responses of STS have about 3 KiB.
const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(2), attempt: Duration::from_secs(10), max_body: 256 * 1024 };

/// The proxies to use, from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Proxies {
    /// URL of the proxy for `https` endpoints.
    pub(crate) https: Option<String>,
    /// URL of the proxy for `http` endpoints.
    pub(crate) http: Option<String>,
    /// Hosts, domains and networks to connect to directly, separated by commas.
    pub(crate) no_proxy: Option<String>,
}

/// A complete HTTP response.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    pub(super) date: Option<SystemTime>,
    pub(super) body: zeroize::Zeroizing<Vec<u8>>,
}

pub(super) struct Transport(reqwest::Client);

impl Transport {
    pub(super) fn new(tls: rustls::ClientConfig, proxies: &Proxies) -> Result<Self, NotValid> {
        let mut builder = LIMITS
            .client(tls)
            // Long enough for the hops of one chain; too short for the next refresh, which is typically half an hour
            // away.
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(1);
        let direct = proxies.no_proxy.as_deref().and_then(NoProxy::from_string);
        for (url, proxy, variable) in [
            (&proxies.https, Proxy::https as fn(String) -> reqwest::Result<Proxy>, "HTTPS_PROXY"),
            (&proxies.http, Proxy::http, "HTTP_PROXY"),
        ] {
            if let Some(url) = url {
                let proxy = proxy(url.clone()).map_err(|_| NotValid::new(format!("{variable} is not a proxy URL")))?;
                builder = builder.proxy(proxy.no_proxy(direct.clone()));
            }
        }
        let client = builder.build().map_err(|error| NotValid::new(format!("TLS cannot be set up: {error}")))?;
        Ok(Self(client))
    }

    pub(super) async fn post(&self, endpoint: &Endpoint, form: Form, headers: HeaderMap) -> Result<Received, StsError> {
        let mut response = self
            .0
            .post(&endpoint.url)
            .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
            .headers(headers)
            .body(form.into_body())
            .send()
            .await
            .map_err(|error| StsError::not_reached(endpoint, LIMITS.describe(&error)))?;

        let header_text = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let request_id = header_text("x-amzn-requestid");
        let date = header_text("date").and_then(|date| httpdate::parse_http_date(&date).ok());
        let body = LIMITS.read(&mut response).await.map_err(|error| match error {
            BodyError::Cut(reason) => StsError::not_reached(endpoint, reason),
            BodyError::TooLarge(limit) => {
                StsError::invalid_response(endpoint, format!("its response exceeds {limit} bytes"))
            }
        })?;
        Ok(Received { status: response.status().as_u16(), request_id, date, body })
    }
}
