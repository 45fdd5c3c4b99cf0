//! Sends POST requests through reqwest and rustls, bounded in time and response size.

mod kept_connections;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy, RequestBuilder, Response, header};

use self::kept_connections::KeptConnections;
use super::{Endpoint, StsError, request::Form};
use crate::{
    arn::NotValid,
    clock::Clock,
    http::client::{BodyError, CallLimits},
};

pub(super) const FORM_CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Responses of STS have about 3 KiB.
const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(2), attempt: Duration::from_secs(10), max_body: 64 * 1024 };

/// The proxies to use, from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Proxies {
    /// URL of the proxy for `https` endpoints.
    pub(crate) https: Option<String>,
    /// URL of the proxy for `http` endpoints.
    pub(crate) http: Option<String>,
    /// Hosts, domains and networks to connect to directly, separated by commas.
    pub(crate) no_proxy: Option<String>,
}

/// Omits the URLs, which can contain passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, http, no_proxy } = self;
        let has = |url: &Option<String>| url.as_ref().map(|_| "[redacted]");
        let mut shown = f.debug_struct("Proxies");
        shown.field("https", &has(https)).field("http", &has(http)).field("no_proxy", no_proxy).finish()
    }
}

impl Proxies {
    /// Returns the rules by which requests are sent to a proxy.
    pub(super) fn matcher(&self) -> Matcher {
        let text = |url: &Option<String>| url.clone().unwrap_or_default();
        Matcher::builder().https(text(&self.https)).http(text(&self.http)).no(text(&self.no_proxy)).build()
    }

    /// Returns the host and the port of the proxy for an endpoint, or `None` if requests are sent directly.
    fn host_for(&self, endpoint: &Endpoint) -> Option<String> {
        let proxy = self.matcher().intercept(&endpoint.url.parse().ok()?)?;
        let host = proxy.uri().host()?;
        Some(proxy.uri().port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// Returns true if requests would go through the proxy with this URL. reqwest ignores a URL that it does not support, and
    /// would send requests directly.
    pub(crate) fn is_usable(url: &str) -> bool {
        let destination = http::Uri::from_static("http://sts.example.com/");
        let proxy = Matcher::builder().all(url.to_owned()).build().intercept(&destination);
        proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
    }
}

/// A complete HTTP response.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    pub(super) date: Option<SystemTime>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: zeroize::Zeroizing<Vec<u8>>,
}

/// Sends the requests of a [`Client`](super::Client).
pub(super) trait PostForms: Send + Sync {
    /// Sends a request and returns the complete response.
    fn post<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        form: Form,
        headers: HeaderMap,
    ) -> Pin<Box<dyn Future<Output = Result<Received, StsError>> + Send + 'a>>;

    /// Names the proxy of the request in an error that the proxy can have caused.
    fn with_proxy(&self, endpoint: &Endpoint, error: StsError) -> StsError;
}

pub(super) struct Transport {
    client: reqwest::Client,
    tls: rustls::ClientConfig,
    proxies: Proxies,
    kept_connections: KeptConnections,
    clock: Arc<dyn Clock>,
}

impl Transport {
    pub(super) fn new(tls: rustls::ClientConfig, proxies: &Proxies, clock: Arc<dyn Clock>) -> Result<Self, NotValid> {
        let client = client(tls.clone(), proxies)?;
        Ok(Self { client, tls, proxies: proxies.clone(), kept_connections: KeptConnections::default(), clock })
    }

    async fn post_form(&self, endpoint: &Endpoint, form: Form, headers: HeaderMap) -> Result<Received, StsError> {
        let request = self.client.post(&endpoint.url).header(header::CONTENT_TYPE, FORM_CONTENT_TYPE).headers(headers);
        let response = self.send(request.body(form.into_body())).await;
        let mut response = response.map_err(|error| StsError::failed(endpoint, LIMITS.describe(&error)))?;

        let header_text = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let request_id = header_text("x-amzn-requestid");
        let date = header_text("date").and_then(|date| httpdate::parse_http_date(&date).ok());
        let retry_after = header_text("retry-after").and_then(|text| retry_after(text.trim(), date));
        let body = LIMITS.read(&mut response).await.map_err(|error| match error {
            BodyError::Cut(reason) => StsError::not_reached(endpoint, reason),
            BodyError::TooLarge(limit) => {
                StsError::invalid_response(endpoint, format!("its response exceeds {limit} bytes"))
            }
        })?;
        Ok(Received { status: response.status().as_u16(), request_id, date, retry_after, body })
    }

    /// Sends a request. If it fails on a connection that carried a response before, sends it once more on a new connection: the
    /// server may have closed the connection while it was idle. Both attempts together have the time of one.
    async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        let started = self.clock.now();
        let again = request.try_clone();
        let mut result = request.send().await;
        if let (Err(error), Some(again)) = (&result, again)
            && self.kept_connections.has_failed_on_one(error)
            // A client of its own has no other kept connection. This is rare, so no request pays for it in advance.
            && let Ok(fresh_client) = client(self.tls.clone(), &self.proxies)
        {
            let time_left = LIMITS.attempt.saturating_sub(self.clock.now().since(started));
            result = match again.timeout(time_left).build() {
                Ok(again) => fresh_client.execute(again).await,
                Err(error) => Err(error),
            };
        }
        if let Ok(response) = &result {
            self.kept_connections.add(response);
        }
        result
    }
}

impl PostForms for Transport {
    fn post<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        form: Form,
        headers: HeaderMap,
    ) -> Pin<Box<dyn Future<Output = Result<Received, StsError>> + Send + 'a>> {
        Box::pin(self.post_form(endpoint, form, headers))
    }

    fn with_proxy(&self, endpoint: &Endpoint, error: StsError) -> StsError {
        match self.proxies.host_for(endpoint) {
            Some(proxy) => error.through(&proxy),
            None => error,
        }
    }
}

/// Parses a `Retry-After` header, which contains seconds or a date.
fn retry_after(text: &str, date: Option<SystemTime>) -> Option<Duration> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(date?).ok())
}

/// Returns a client that keeps one connection for each endpoint.
fn client(tls: rustls::ClientConfig, proxies: &Proxies) -> Result<reqwest::Client, NotValid> {
    let mut builder = LIMITS
        .client(tls)
        // Long enough for the hops of one chain; too short for the next refresh, which is typically half an hour away.
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
    builder.build().map_err(|error| NotValid::new(format!("TLS cannot be set up: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let date = httpdate::parse_http_date("Sat, 21 Nov 2026 09:00:00 GMT").ok();
        let seconds = |text| retry_after(text, date).map(|length| length.as_secs());
        assert_eq!(["7", "0"].map(seconds), [Some(7), Some(0)]);
        assert_eq!(seconds("Sat, 21 Nov 2026 09:00:30 GMT"), Some(30));
        assert_eq!(["", "-1", "soon", "Sat, 21 Nov 2026 08:00:00 GMT"].map(seconds), [None; 4]);
    }

    #[test]
    fn debug_output_shows_no_proxy_passwords() {
        let url = Some("http://user:hidden@proxy.example.com:3128".to_owned());
        let proxies = Proxies { https: url.clone(), http: url, no_proxy: Some("localhost".into()) };
        assert!(!format!("{proxies:?}").contains("hidden"), "{proxies:?}");
    }
}
