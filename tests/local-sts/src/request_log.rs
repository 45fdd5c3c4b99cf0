//! The log of requests and their results.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::fault::FaultKind;
use crate::lock::lock;

/// A request and its result. Secrets are not redacted, because tests inspect them.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedRequest {
    /// The HTTP method.
    pub(crate) method: String,
    /// The path of the URL.
    pub(crate) path: String,
    /// The query of the URL. STS clients must not send one.
    pub query: Option<String>,
    /// Headers by lower-case name; several values are joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The `Action` parameter.
    pub action: Option<String>,
    /// All form fields, decoded.
    pub parameters: BTreeMap<String, String>,
    /// The HTTP status; absent while the request hangs and if its connection was reset.
    pub status: Option<u16>,
    /// The STS error code; absent for a success.
    pub code: Option<String>,
    /// The fault that affected the request.
    pub fault: Option<FaultKind>,
    /// The request ID in the response and its `x-amzn-RequestId` header.
    pub request_id: String,
    /// The server's time, in seconds since 1970.
    pub(crate) time: i64,
}

/// All requests, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    requests: Mutex<Vec<RecordedRequest>>,
    request_added: Condvar,
}

impl RequestLog {
    /// Adds a request and returns its index.
    pub(crate) fn add(&self, request: RecordedRequest) -> usize {
        let mut requests = lock(&self.requests);
        requests.push(request);
        self.request_added.notify_all();
        requests.len() - 1
    }

    /// Sets the result of a request that was added before it had one.
    pub(crate) fn set_result(&self, index: usize, status: u16, code: Option<String>) {
        if let Some(request) = lock(&self.requests).get_mut(index) {
            request.status = Some(status);
            request.code = code;
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }

    /// Blocks until the log has `count` requests or the timeout has passed, and returns all requests.
    pub(crate) fn wait(&self, count: usize, timeout: Duration) -> Vec<RecordedRequest> {
        let requests = lock(&self.requests);
        let (requests, _) = self
            .request_added
            .wait_timeout_while(requests, timeout, |requests| requests.len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}
