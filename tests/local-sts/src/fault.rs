//! Faults that tests inject into STS responses, and their queue.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A fault to inject into the response to a request.
///
/// Each request to STS takes the first fault in the queue that matches its action. The other faults stay in the queue.
/// In JSON: `{"kind": "throttle"}`, `{"kind": {"delay": {"milliseconds": 50}}, "action": "AssumeRole", "times": 3}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The effect of the fault.
    pub kind: FaultKind,
    /// The action whose requests the fault affects, such as `AssumeRole`; any action if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// The number of requests that the fault affects; one if absent.
    #[serde(default)]
    times: Times,
}

/// The number of requests that a fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Times {
    Count(u32),
    /// All requests until the faults are cleared (`"forever"`).
    Always(Forever),
}

/// The string `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forever {
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// The effect of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// `Throttling` 400 "Rate exceeded".
    Throttle,
    /// The same with a `Retry-After` header.
    ThrottleWithRetryAfter {
        /// The value of the header.
        seconds: u32,
    },
    /// An error response.
    Error {
        /// The error code.
        code: String,
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// `InternalFailure` (500) or `ServiceUnavailable` (any other status).
    ServerError {
        /// The HTTP status, 500 or 503.
        status: u16,
    },
    /// `IDPCommunicationError` 400: STS cannot reach the identity provider.
    IdpCommunicationError,
    /// `InvalidIdentityToken` 400 "Couldn't retrieve verification key …", which is often transient.
    InvalidIdentityTokenVerificationKey,
    /// Closes the connection with an RST instead of responding.
    Reset,
    /// Closes a connection that carried a response before, instead of responding to another request. Requests on new connections
    /// do not take this fault.
    CloseKeptConnection {
        /// Whether to close the connection with an RST instead of a FIN.
        reset: bool,
    },
    /// Holds the response back until the faults are cleared, then handles the request normally.
    Hang,
    /// Delays the normal response.
    Delay {
        /// The delay.
        milliseconds: u64,
    },
    /// Sends the body of the normal response byte by byte.
    Drip {
        /// The pause after each byte.
        milliseconds: u64,
    },
    /// 200 with a body that is not XML.
    Garbage,
    /// Sends half of the normal response's body, which is less than its `Content-Length`, and breaks the connection.
    TruncatedBody,
    /// Sends half of the normal response's body with the `Content-Length` of that half.
    CutXml,
    /// 200 with a body of spaces.
    HugeBody {
        /// The size of the body.
        mebibytes: u32,
    },
    /// A well-formed 200 response to another action.
    WrongRoot,
    /// The normal response without `Expiration`.
    MissingExpiry,
    /// The normal response with an `Expiration` one hour ago.
    PastExpiry,
    /// The normal response with a `Date` in the past, as a cache or a proxy may send it.
    StaleDate {
        /// The time by which the `Date` is behind the server's clock.
        seconds: u32,
    },
    /// The normal response with an `Expiration` in the year 9999.
    FarExpiry,
    /// The normal response with a line break in the secret access key.
    ControlCharacter,
}

impl Fault {
    /// Returns a fault for the next request of any action.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, action: None, times: Times::default() }
    }

    /// Returns a `Throttling` 400 "Rate exceeded" fault.
    pub fn throttle() -> Self {
        Self::new(FaultKind::Throttle)
    }

    /// Returns a fault that responds with this error.
    pub fn error(code: &str, status: u16, message: &str) -> Self {
        Self::new(FaultKind::Error { code: code.to_owned(), status, message: message.to_owned() })
    }

    /// Returns a server error fault; the status is 500 or 503.
    pub fn server_error(status: u16) -> Self {
        Self::new(FaultKind::ServerError { status })
    }

    /// Limits the fault to requests of this action.
    pub fn for_action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Applies the fault to this many requests.
    pub fn times(mut self, count: u32) -> Self {
        self.times = Times::Count(count);
        self
    }

    /// Applies the fault to all requests until the faults are cleared.
    pub fn forever(mut self) -> Self {
        self.times = Times::Always(Forever::Forever);
        self
    }
}

/// The pending faults, in order.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    faults: VecDeque<Fault>,
}

impl FaultQueue {
    pub(crate) fn append(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults.into_iter().filter(|fault| fault.times != Times::Count(0)));
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// Returns the fault for a request and counts it. `is_kept` is true if the connection carried a response before.
    pub(crate) fn take(&mut self, action: Option<&str>, is_kept: bool) -> Option<FaultKind> {
        let matches = |fault: &Fault| {
            let needs_kept = matches!(fault.kind, FaultKind::CloseKeptConnection { .. });
            (fault.action.is_none() || fault.action.as_deref() == action) && (is_kept || !needs_kept)
        };
        let index = self.faults.iter().position(matches)?;
        let fault = &mut self.faults[index];
        let kind = fault.kind.clone();
        match &mut fault.times {
            Times::Always(_) => {}
            Times::Count(1) => {
                self.faults.remove(index);
            }
            Times::Count(left) => *left -= 1,
        }
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_apply_in_order_by_action_and_count() {
        let mut queue = FaultQueue::default();
        queue.append([
            Fault::throttle().for_action("AssumeRole").times(2),
            Fault::new(FaultKind::Reset),
            Fault::throttle().times(0),
            Fault::server_error(500).forever(),
        ]);
        assert_eq!(queue.take(None, false), Some(FaultKind::Reset));
        assert_eq!(queue.take(Some("AssumeRole"), false), Some(FaultKind::Throttle));
        assert_eq!(queue.take(Some("GetCallerIdentity"), false), Some(FaultKind::ServerError { status: 500 }));
        assert_eq!(queue.take(Some("AssumeRole"), false), Some(FaultKind::Throttle));
        assert_eq!(queue.take(Some("AssumeRole"), false), Some(FaultKind::ServerError { status: 500 }));
        queue.clear();
        assert_eq!(queue.take(Some("AssumeRole"), false), None);
        let close = FaultKind::CloseKeptConnection { reset: true };
        queue.append([Fault::new(close.clone())]);
        assert_eq!(queue.take(None, false), None);
        assert_eq!(queue.take(None, true), Some(close));
    }

    #[test]
    fn faults_are_parsed_from_json() {
        let faults: Vec<Fault> = serde_json::from_str(
            r#"[{"kind": "throttle", "times": "forever"},
                {"kind": {"error": {"code": "C", "status": 418, "message": "M"}}, "action": "AssumeRole", "times": 2},
                {"kind": {"delay": {"milliseconds": 5}}}]"#,
        )
        .expect("valid faults");
        assert_eq!(faults[0], Fault::throttle().forever());
        assert_eq!(faults[1], Fault::error("C", 418, "M").for_action("AssumeRole").times(2));
        assert_eq!(faults[2], Fault::new(FaultKind::Delay { milliseconds: 5 }));
        for wrong in
            [r#"[{"kind": "nap"}]"#, r#"[{"kind": "throttle", "time": 1}]"#, r#"[{"kind": "reset", "times": "ever"}]"#]
        {
            assert!(serde_json::from_str::<Vec<Fault>>(wrong).is_err(), "{wrong}");
        }
    }
}
