//! Prometheus metrics on `--admin-listen`: expiry of credentials, exchanges, file writes and requests.
//!
//! Names and units follow the [Prometheus conventions](https://prometheus.io/docs/practices/naming/); the output
//! format is
//! [OpenMetrics](https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md).

use std::time::{Duration, SystemTime};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{chain::provider::ObserveExchanges, observe::telemetry, store::Store};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The registry and its metrics.
pub(crate) struct Metrics {
    registry: Registry,
    exchanges: Family<ExchangeLabels, Counter>,
    exchange_durations: Family<HopLabels, Histogram, fn() -> Histogram>,
    sink_failures: Family<SinkLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    ready: Family<ProfileLabels, Gauge>,
    expiry: Family<ProfileLabels, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ExchangeLabels {
    hop: u64,
    role_arn: String,
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HopLabels {
    hop: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SinkLabels {
    sink: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    status: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProfileLabels {
    profile: String,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("credvend");
        let metrics = Self {
            exchanges: Family::default(),
            exchange_durations: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
            }),
            sink_failures: Family::default(),
            requests: Family::default(),
            ready: Family::default(),
            expiry: Family::default(),
            registry: Registry::default(),
        };
        registry.register("build", "Version of credvend", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register(
            "exchanges",
            "Attempts to obtain credentials for a hop, by result: ok or an error code",
            metrics.exchanges.clone(),
        );
        registry.register_with_unit(
            "exchange_duration",
            "Duration of an attempt to obtain credentials for a hop",
            Unit::Seconds,
            metrics.exchange_durations.clone(),
        );
        registry.register("sink_failures", "Failed attempts to write a file, to run the command of --on-write (on_write), or to send a signal (signal)", metrics.sink_failures.clone());
        registry.register(
            "requests",
            "Responses of the credentials endpoint and of the instance metadata endpoint, by HTTP status",
            metrics.requests.clone(),
        );
        registry.register(
            "profile_ready",
            "Whether the profile has credentials to serve (1) or not (0)",
            metrics.ready.clone(),
        );
        registry.register_with_unit(
            "credentials_expiry_timestamp",
            "Expiry of the profile's credentials, as a Unix time",
            Unit::Seconds,
            metrics.expiry.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines that were dropped because nothing read stderr",
            telemetry::dropped_lines(),
        );
        Self { registry, ..metrics }
    }

    /// Counts a failed write of a sink.
    pub(crate) fn sink_failed(&self, sink: &'static str) {
        self.sinks_failed(sink, 1);
    }

    /// Counts several failed writes of a sink.
    pub(crate) fn sinks_failed(&self, sink: &'static str, count: u64) {
        if count > 0 {
            self.sink_failures.get_or_create(&SinkLabels { sink }).inc_by(count);
        }
    }

    /// Counts a response of the credentials endpoint or of the instance metadata endpoint.
    pub(crate) fn record_response(&self, status: u16) {
        self.requests.get_or_create(&RequestLabels { status: status.into() }).inc();
    }

    /// Encodes the metrics, with the current state of the profiles in `store`.
    pub(crate) fn text(&self, store: &Store) -> String {
        let now = store.now();
        self.ready.clear();
        self.expiry.clear();
        for profile in store.profiles().iter() {
            let labels = ProfileLabels { profile: profile.name().to_owned() };
            self.ready.get_or_create(&labels).set(profile.servable(now).is_some().into());
            let expiry = profile.state().lease.and_then(|lease| lease.credentials.expiry());
            if let Some(unix_time) =
                expiry.and_then(|expiry| expiry.as_time().duration_since(SystemTime::UNIX_EPOCH).ok())
            {
                self.expiry.get_or_create(&labels).set(i64::try_from(unix_time.as_secs()).unwrap_or(i64::MAX));
            }
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl ObserveExchanges for Metrics {
    fn record_exchange(&self, hop: usize, role_arn: &str, result: &str, duration: Duration) {
        let hop = hop as u64;
        let labels = ExchangeLabels { hop, role_arn: role_arn.to_owned(), result: result.to_owned() };
        self.exchanges.get_or_create(&labels).inc();
        self.exchange_durations.get_or_create(&HopLabels { hop }).observe(duration.as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
