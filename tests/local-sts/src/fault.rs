//! Faults, and the script they are taken from.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Something that goes wrong with a request.
///
/// Each request to STS takes the first fault of the script which matches its action; the rest wait for the next ones.
/// In JSON: `{"kind": "throttle"}`, `{"kind": {"delay": {"milliseconds": 50}}, "action": "AssumeRole", "times": 3}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Only to requests for this action, such as `AssumeRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// To how many requests, one if absent.
    #[serde(default)]
    pub times: Times,
}

/// How many requests a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// This many.
    Count(u32),
    /// All of them until the faults are cleared (`"forever"`).
    Always(Forever),
}

/// The word `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forever {
    /// Until the faults are cleared.
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// The kinds of fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// `Throttling` 400 "Rate exceeded".
    Throttle,
    /// Any error answer.
    Error {
        /// The error code on the wire.
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
    /// `IDPCommunicationError` 400: STS could not reach the identity provider.
    IdpCommunicationError,
    /// `InvalidIdentityToken` 400 "Couldn't retrieve verification key …", which is often transient.
    InvalidIdentityTokenVerificationKey,
    /// The connection is closed with an RST before any answer.
    Reset,
    /// No answer until the faults are cleared; then the request is treated as usual.
    Hang,
    /// The usual answer after a while.
    Delay {
        /// How long after.
        milliseconds: u64,
    },
    /// The usual answer's body byte by byte.
    Drip {
        /// Between two bytes.
        milliseconds: u64,
    },
    /// 200 with a body that is not XML.
    Garbage,
    /// The usual answer, cut in the middle: fewer bytes than `Content-Length` promised.
    TruncatedBody,
    /// The usual answer, cut in the middle, with a `Content-Length` which agrees.
    CutXml,
    /// 200 and a body of this size.
    HugeBody {
        /// 1 MiB each.
        mebibytes: u32,
    },
    /// A sound 200 answer to another action.
    WrongRoot,
    /// The usual answer without `Expiration`.
    MissingExpiry,
    /// The usual answer with an `Expiration` an hour ago.
    PastExpiry,
}

impl Fault {
    /// A fault for the next request, whatever its action.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, action: None, times: Times::default() }
    }

    /// `Throttling` 400 "Rate exceeded".
    pub fn throttle() -> Self {
        Self::new(FaultKind::Throttle)
    }

    /// Any error answer.
    pub fn error(code: &str, status: u16, message: &str) -> Self {
        Self::new(FaultKind::Error { code: code.to_owned(), status, message: message.to_owned() })
    }

    /// 500 or 503.
    pub fn server_error(status: u16) -> Self {
        Self::new(FaultKind::ServerError { status })
    }

    /// Only for requests of this action.
    pub fn for_action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// For this many requests.
    pub fn times(mut self, count: u32) -> Self {
        self.times = Times::Count(count);
        self
    }

    /// For all requests until the faults are cleared.
    pub fn forever(mut self) -> Self {
        self.times = Times::Always(Forever::Forever);
        self
    }
}

/// The faults still to come, in order.
#[derive(Debug, Default)]
pub(crate) struct FaultScript {
    faults: VecDeque<Fault>,
}

impl FaultScript {
    pub(crate) fn append(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults.into_iter().filter(|fault| fault.times != Times::Count(0)));
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The fault this request meets, counted off.
    pub(crate) fn take(&mut self, action: Option<&str>) -> Option<FaultKind> {
        let index = self.faults.iter().position(|fault| fault.action.is_none() || fault.action.as_deref() == action)?;
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
    fn faults_are_taken_in_order_by_action_and_count() {
        let mut script = FaultScript::default();
        script.append([
            Fault::throttle().for_action("AssumeRole").times(2),
            Fault::new(FaultKind::Reset),
            Fault::throttle().times(0),
            Fault::server_error(500).forever(),
        ]);
        assert_eq!(script.take(None), Some(FaultKind::Reset));
        assert_eq!(script.take(Some("AssumeRole")), Some(FaultKind::Throttle));
        assert_eq!(script.take(Some("GetCallerIdentity")), Some(FaultKind::ServerError { status: 500 }));
        assert_eq!(script.take(Some("AssumeRole")), Some(FaultKind::Throttle));
        assert_eq!(script.take(Some("AssumeRole")), Some(FaultKind::ServerError { status: 500 }));
        script.clear();
        assert_eq!(script.take(Some("AssumeRole")), None);
    }

    #[test]
    fn faults_read_from_json() {
        let faults: Vec<Fault> = serde_json::from_str(
            r#"[{"kind": "throttle", "times": "forever"},
                {"kind": {"error": {"code": "C", "status": 418, "message": "M"}}, "action": "AssumeRole", "times": 2},
                {"kind": {"delay": {"milliseconds": 5}}}]"#,
        )
        .expect("readable");
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
