//! One POST, bounded in time and size, over reqwest and rustls.

use std::time::{Duration, SystemTime};

use reqwest::{NoProxy, Proxy, header};

use super::{Endpoint, StsError, request::Form};
use crate::{
    arn::NotValid,
    http::client::{BodyError, CallLimits},
};

pub(super) const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// STS's answers have some 3 KiB.
const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(2), attempt: Duration::from_secs(10), max_body: 256 * 1024 };

/// The proxies that calls go through, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Proxies {
    /// For `https` endpoints.
    pub(crate) https: Option<String>,
    /// For `http` endpoints.
    pub(crate) http: Option<String>,
    /// Hosts, domains and networks that are reached directly.
    pub(crate) no_proxy: Option<String>,
}

/// What came back.
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
            // Serves the hops of one chain; the next refresh is half an hour away.
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(1);
        let direct = proxies.no_proxy.as_deref().and_then(NoProxy::from_string);
        for (url, proxy, variable) in [
            (&proxies.https, Proxy::https as fn(String) -> reqwest::Result<Proxy>, "HTTPS_PROXY"),
            (&proxies.http, Proxy::http, "HTTP_PROXY"),
        ] {
            if let Some(url) = url {
                let proxy = proxy(url.clone()).map_err(|_| NotValid::new(format!("{variable} is no proxy's URL")))?;
                builder = builder.proxy(proxy.no_proxy(direct.clone()));
            }
        }
        let client = builder.build().map_err(|error| NotValid::new(format!("TLS cannot be set up: {error}")))?;
        Ok(Self(client))
    }

    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        form: Form,
        headers: Vec<(String, String)>,
    ) -> Result<Received, StsError> {
        let mut request = self.0.post(&endpoint.url).header(header::CONTENT_TYPE, FORM_CONTENT_TYPE);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request
            .body(form.into_body())
            .send()
            .await
            .map_err(|error| StsError::not_reached(endpoint, LIMITS.describe(&error)))?;

        let text = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let request_id = text("x-amzn-requestid");
        let date = text("date").and_then(|date| httpdate::parse_http_date(&date).ok());
        let body = LIMITS.read(&mut response).await.map_err(|broken| match broken {
            BodyError::Cut(why) => StsError::not_reached(endpoint, why),
            BodyError::TooLarge(most) => StsError::not_an_answer(endpoint, format!("its answer exceeds {most} bytes")),
        })?;
        Ok(Received { status: response.status().as_u16(), request_id, date, body })
    }
}
