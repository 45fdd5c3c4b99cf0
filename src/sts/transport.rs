//! One POST, bounded in time and size, over reqwest and rustls.

use std::{
    error::Error as _,
    time::{Duration, SystemTime},
};

use reqwest::{NoProxy, Proxy, header};

use super::{Endpoint, StsError, request::Form};
use crate::arn::NotValid;

pub(super) const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Name resolution, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The whole attempt, body included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// STS's answers have some 3 KiB.
const LARGEST_ANSWER: usize = 256 * 1024;

/// The proxies that calls go through, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// For `https` endpoints.
    pub https: Option<String>,
    /// For `http` endpoints.
    pub http: Option<String>,
    /// Hosts, domains and networks that are reached directly.
    pub no_proxy: Option<String>,
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
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("credvend/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            // Serves the hops of one chain; the next refresh is half an hour away.
            .pool_idle_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(1)
            .http1_only()
            .no_proxy();
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
            .map_err(|error| StsError::not_reached(endpoint, describe(&error)))?;

        let text = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let mut received = Received {
            status: response.status().as_u16(),
            request_id: text("x-amzn-requestid"),
            date: text("date").and_then(|date| httpdate::parse_http_date(&date).ok()),
            body: zeroize::Zeroizing::new(Vec::with_capacity(16 * 1024)),
        };
        while let Some(chunk) =
            response.chunk().await.map_err(|error| StsError::not_reached(endpoint, describe(&error)))?
        {
            if received.body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(StsError::not_an_answer(endpoint, format!("its answer exceeds {LARGEST_ANSWER} bytes")));
            }
            received.body.extend_from_slice(&chunk);
        }
        Ok(received)
    }
}

/// The cause of a failed request, without its URL.
fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() {
        return if error.is_connect() {
            format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
        } else {
            format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())
        };
    }
    let cause = if error.source().is_none() { "the request failed".to_owned() } else { cause.to_string() };
    if error.is_connect() { format!("cannot connect: {cause}") } else { cause }
}
