//! Prometheus metrics on `--admin-listen`: credentials, tokens, exchanges, file writes, requests and connections.
//!
//! Names and units follow the [Prometheus conventions](https://prometheus.io/docs/practices/naming/). The output format is
//! [OpenMetrics](https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md), or the older
//! [text format](text_format) for a client that accepts only that. A request is counted without a lock and without formatting; the
//! values of gauges are read when the metrics are.

mod labels;
mod text_format;
mod token_lifetimes;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use hyper::header::{ACCEPT, HeaderMap};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use self::{
    labels::{
        ExchangeLabels, HopLabels, ListenerLabels, ProfileLabels, RegionLabels, RequestLabels, SinkLabels,
        StsCallLabels,
    },
    token_lifetimes::TokenLifetimes,
};
use crate::{
    chain::provider::ObserveExchanges,
    http::{authorization::Authorization, connections::Connections},
    observe::telemetry,
    store::{Profile, Store},
};

/// The statuses of the listeners that serve credentials. They are counted from the start.
const STATUSES: [u16; 7] = [200, 400, 401, 403, 404, 405, 503];

/// Maximum number of distinct results of exchanges; further ones count as `other`. STS has fewer error codes, but a response can come
/// from any server.
const MAX_RESULTS: usize = 48;

/// The metrics of the process.
pub(crate) struct Metrics {
    started: SystemTime,
    exchanges: Family<ExchangeLabels, Counter>,
    sts_calls: Family<StsCallLabels, Counter>,
    delayed_sts_calls: Family<RegionLabels, Counter>,
    exchange_durations: Family<HopLabels, Histogram, fn() -> Histogram>,
    results: Mutex<BTreeSet<String>>,
    sink_writes: Family<SinkLabels, Counter>,
    sink_failures: Family<SinkLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    /// The counters of [`STATUSES`], in the same order.
    responses: [Counter; STATUSES.len()],
    profiles: ProfileGauges,
    token_lifetimes: Arc<TokenLifetimes>,
    open_connections: Family<ListenerLabels, Gauge>,
    accepted_connections: Family<ListenerLabels, Counter>,
    shed_connections: Family<ListenerLabels, Counter>,
    connection_limit: Gauge,
}

/// The gauges of each profile.
#[derive(Default)]
struct ProfileGauges {
    ready: Family<ProfileLabels, Gauge>,
    expiry: Family<ProfileLabels, Gauge>,
    next_refresh: Family<ProfileLabels, Gauge>,
    file_current: Family<ProfileLabels, Gauge>,
    token_issued: Family<ProfileLabels, Gauge>,
    token_expiry: Family<ProfileLabels, Gauge>,
}

/// The format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    /// The text format of Prometheus before OpenMetrics.
    Text,
}

impl Format {
    /// Returns the text format for a request that accepts it and not OpenMetrics.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accepts = |kind: &str| {
            let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values.any(|value| value.contains(kind))
        };
        if accepts("text/plain") && !accepts("application/openmetrics-text") { Self::Text } else { Self::OpenMetrics }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Metrics {
    /// Returns the metrics of a process that started at `started`.
    pub(crate) fn new(started: SystemTime) -> Self {
        let requests = Family::default();
        let responses = STATUSES.map(|status| requests.get_or_create_owned(&RequestLabels { status: status.into() }));
        Self {
            started,
            exchanges: Family::default(),
            sts_calls: Family::default(),
            delayed_sts_calls: Family::default(),
            exchange_durations: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
            }),
            results: Mutex::default(),
            sink_writes: Family::default(),
            sink_failures: Family::default(),
            requests,
            responses,
            profiles: ProfileGauges::default(),
            token_lifetimes: Arc::default(),
            open_connections: Family::default(),
            accepted_connections: Family::default(),
            shed_connections: Family::default(),
            connection_limit: Gauge::default(),
        }
    }

    /// Returns a registry of all metrics, in the order of the output. It is built for each scrape, because most processes are never
    /// scraped.
    fn registry(&self) -> Registry {
        let mut root = Registry::default();
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        root.register_with_unit(
            "process_start_time",
            "Start time of the process, as a Unix time",
            Unit::Seconds,
            start,
        );
        let own = root.sub_registry_with_prefix("credvend");
        own.register("build", "Version of credvend", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        own.register(
            "exchanges",
            "Attempts to obtain credentials for a hop, by result: ok or an error code",
            self.exchanges.clone(),
        );
        own.register(
            "sts_calls",
            "Calls to the STS of a region, by result: ok or an error code",
            self.sts_calls.clone(),
        );
        own.register(
            "sts_calls_delayed",
            "Calls to the STS of a region that waited for their turn, because STS throttles or many calls were due at once",
            self.delayed_sts_calls.clone(),
        );
        own.register_with_unit(
            "exchange_duration",
            "Duration of an attempt to obtain credentials for a hop, without the time in which its calls wait for their turn",
            Unit::Seconds,
            self.exchange_durations.clone(),
        );
        own.register("sink_writes", "Successful writes of a file, runs of the command of --on-write (on_write), and signals to a program (signal)", self.sink_writes.clone());
        own.register("sink_failures", "Failed attempts to write a file, to run the command of --on-write (on_write), or to send a signal (signal)", self.sink_failures.clone());
        own.register(
            "requests",
            "Responses of the credentials endpoint and of the instance metadata endpoint, by HTTP status",
            self.requests.clone(),
        );
        self.profiles.register(own);
        own.register("connections", "Open connections of a listener", self.open_connections.clone());
        own.register(
            "connections_limit",
            "Number of open connections of all listeners from which the longest idle one is closed for a new one",
            self.connection_limit.clone(),
        );
        own.register("connections_accepted", "Connections that a listener accepted", self.accepted_connections.clone());
        own.register(
            "connections_shed",
            "Connections that were closed because there were too many",
            self.shed_connections.clone(),
        );
        own.register(
            "log_lines_dropped",
            "Log lines that were dropped because nothing read stderr",
            telemetry::dropped_lines(),
        );
        root
    }

    /// Makes the counters of a sink appear with the value 0, so that a query sees the first increase.
    pub(crate) fn sink_opened(&self, sink: &'static str) {
        for family in [&self.sink_writes, &self.sink_failures] {
            drop(family.get_or_create(&SinkLabels { sink }));
        }
    }

    /// Counts a successful write of a sink.
    pub(crate) fn sink_written(&self, sink: &'static str) {
        self.sink_writes.get_or_create(&SinkLabels { sink }).inc();
    }

    /// Counts a failed write of a sink.
    pub(crate) fn sink_failed(&self, sink: &'static str) {
        self.sink_failures.get_or_create(&SinkLabels { sink }).inc();
    }

    /// Counts a response of the credentials endpoint or of the instance metadata endpoint.
    pub(crate) fn record_response(&self, status: u16) {
        match STATUSES.iter().position(|known| *known == status) {
            Some(index) => _ = self.responses[index].inc(),
            None => _ = self.requests.get_or_create(&RequestLabels { status: status.into() }).inc(),
        }
    }

    /// Encodes the metrics, with the current state of the profiles, the token files and the connections.
    pub(crate) async fn text(
        &self,
        format: Format,
        store: &Store,
        authorization: &Authorization,
        connections: &Connections,
    ) -> String {
        self.token_lifetimes.update(store).await;
        self.profiles.update(store, &self.token_lifetimes);
        self.update_connections(connections);
        if let Some(writes) = authorization.file_writes() {
            let labels = SinkLabels { sink: "authorization_token" };
            self.sink_writes.get_or_create(&labels).inner().store(writes.succeeded, Relaxed);
            self.sink_failures.get_or_create(&labels).inner().store(writes.failed, Relaxed);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry());
        match format {
            Format::OpenMetrics => text,
            Format::Text => text_format::from_open_metrics(&text),
        }
    }

    fn update_connections(&self, connections: &Connections) {
        self.connection_limit.set(signed(connections.limit() as u64));
        for counts in connections.counts() {
            let labels = ListenerLabels { listener: counts.listener };
            self.open_connections.get_or_create(&labels).set(signed(counts.open));
            self.accepted_connections.get_or_create(&labels).inner().store(counts.accepted, Relaxed);
            self.shed_connections.get_or_create(&labels).inner().store(counts.shed, Relaxed);
        }
    }

    /// Returns the label for the result of an exchange.
    fn result_label(&self, result: &str) -> String {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = results.contains(result) || (results.len() < MAX_RESULTS && results.insert(result.to_owned()));
        if is_known { result.to_owned() } else { "other".to_owned() }
    }
}

impl ProfileGauges {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "profile_ready",
            "Whether the profile has credentials to serve (1) or not (0)",
            self.ready.clone(),
        );
        for (name, help, gauge) in [
            ("credentials_expiry_timestamp", "Expiry of the profile's credentials, as a Unix time", &self.expiry),
            (
                "next_refresh_timestamp",
                "Time of the next refresh of the profile's credentials or, after a failure, of the next attempt, as a Unix time",
                &self.next_refresh,
            ),
            (
                "token_issued_timestamp",
                "Time of issue of the web identity token in the profile's token file, as a Unix time",
                &self.token_issued,
            ),
            (
                "token_expiry_timestamp",
                "Expiry of the web identity token in the profile's token file, as a Unix time",
                &self.token_expiry,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        }
        registry.register(
            "credentials_file_current",
            "Whether the credentials file holds the profile's last credentials (1) or not (0)",
            self.file_current.clone(),
        );
    }

    /// Reads the state of all profiles. A value that does not exist has no sample.
    fn update(&self, store: &Store, token_lifetimes: &TokenLifetimes) {
        let Self { ready, expiry, next_refresh, file_current, token_issued, token_expiry } = self;
        for gauge in [ready, expiry, next_refresh, file_current, token_issued, token_expiry] {
            gauge.clear();
        }
        let now = store.now();
        for profile in store.profiles().iter() {
            let state = profile.state();
            set(ready, profile, Some(profile.servable(now).is_some().into()));
            let lease_expiry = state.lease.as_ref().and_then(|lease| lease.credentials.expiry());
            set(expiry, profile, lease_expiry.map(|expiry| unix_time(expiry.as_time())));
            set(next_refresh, profile, state.until_attempt(now).map(|length| unix_time(now.wall + length)));
            set(file_current, profile, store.is_file_current(profile).map(i64::from));
            let token = profile.token_file().and_then(|file| token_lifetimes.of(file)).unwrap_or_default();
            set(token_issued, profile, token.issued.map(unix_time));
            set(token_expiry, profile, token.expiry.map(unix_time));
        }
    }
}

fn set(gauge: &Family<ProfileLabels, Gauge>, profile: &Profile, value: Option<i64>) {
    if let Some(value) = value {
        gauge.get_or_create(&ProfileLabels { profile: profile.name().to_owned() }).set(value);
    }
}

/// Returns the seconds since 1970; zero for an earlier time.
fn unix_time(time: SystemTime) -> i64 {
    signed(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl ObserveExchanges for Metrics {
    fn record_exchange(&self, hop: usize, role_arn: &str, result: &str, duration: Duration) {
        let hop = hop as u64;
        let labels = ExchangeLabels { hop, role_arn: role_arn.to_owned(), result: self.result_label(result) };
        self.exchanges.get_or_create(&labels).inc();
        self.exchange_durations.get_or_create(&HopLabels { hop }).observe(duration.as_secs_f64());
    }

    fn record_delayed_call(&self, region: &str) {
        self.delayed_sts_calls.get_or_create(&RegionLabels { region: region.to_owned() }).inc();
    }

    fn record_sts_call(&self, region: &str, result: &str) {
        let labels = StsCallLabels { region: region.to_owned(), result: self.result_label(result) };
        self.sts_calls.get_or_create(&labels).inc();
        // So that the counter starts at 0.
        drop(self.delayed_sts_calls.get_or_create(&RegionLabels { region: labels.region }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_invents_error_codes_causes_a_limited_number_of_series() {
        let metrics = Metrics::new(SystemTime::UNIX_EPOCH);
        metrics.record_exchange(1, "role", "ok", Duration::ZERO);
        for number in 0..1000 {
            metrics.record_exchange(1, "role", &format!("Code{number}"), Duration::ZERO);
        }
        metrics.record_exchange(1, "role", "ok", Duration::ZERO);
        let mut text = String::new();
        encode(&mut text, &metrics.registry()).expect("encoded");
        let series = text.lines().filter(|line| line.starts_with("credvend_exchanges_total{")).count();
        assert_eq!(series, MAX_RESULTS + 1);
        assert!(text.contains("result=\"ok\"} 2\n") && text.contains("result=\"other\"} 953\n"), "{text}");
    }

    #[test]
    fn text_format_is_for_clients_that_accept_only_it() {
        let accepted = |values: &[&'static str]| {
            let header = |value: &&'static str| (ACCEPT, hyper::header::HeaderValue::from_static(value));
            Format::accepted(&values.iter().map(header).collect())
        };
        for open_metrics in [&[][..], &["*/*"], &["application/openmetrics-text;version=1.0.0,text/plain;q=0.5"]] {
            assert_eq!(accepted(open_metrics), Format::OpenMetrics, "{open_metrics:?}");
        }
        for text in [&["text/plain"][..], &["application/json", "text/plain;version=0.0.4;q=0.3, */*;q=0.1"]] {
            assert_eq!(accepted(text), Format::Text, "{text:?}");
        }
    }
}
