//! What was asked and what was answered.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::fault::FaultKind;
use crate::lock::lock;

/// One request and its outcome. Secrets in it are not redacted: a test may want to see them.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedRequest {
    /// `POST` for what any SDK sends.
    pub method: String,
    /// `/` for all of STS.
    pub path: String,
    /// What stands after `?`: always a mistake.
    pub query: Option<String>,
    /// Headers by lower-case name; several values are joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The `Action` parameter.
    pub action: Option<String>,
    /// All form fields, decoded.
    pub parameters: BTreeMap<String, String>,
    /// The HTTP status; absent while a request hangs and if its connection was reset.
    pub status: Option<u16>,
    /// The error code on the wire; absent for a success.
    pub code: Option<String>,
    /// The fault which met the request.
    pub fault: Option<FaultKind>,
    /// As in the answer and its `x-amzn-RequestId`.
    pub request_id: String,
    /// Seconds since 1970 on the server's shifted clock.
    pub time: i64,
}

/// All requests in order of their outcomes.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Mutex<Vec<RecordedRequest>>,
    grown: Condvar,
}

impl RequestLog {
    /// Notes a request and returns its number.
    pub(crate) fn add(&self, request: RecordedRequest) -> usize {
        let mut requests = lock(&self.requests);
        requests.push(request);
        self.grown.notify_all();
        requests.len() - 1
    }

    /// The outcome of a request noted before it had one.
    pub(crate) fn settle(&self, number: usize, status: u16, code: Option<String>) {
        if let Some(request) = lock(&self.requests).get_mut(number) {
            request.status = Some(status);
            request.code = code;
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }

    /// Blocks until there are so many, or for so long.
    pub(crate) fn wait(&self, count: usize, timeout: Duration) -> Vec<RecordedRequest> {
        let requests = lock(&self.requests);
        let (requests, _) = self
            .grown
            .wait_timeout_while(requests, timeout, |requests| requests.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}
