//! What each kind of fault does to an answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::Response;

use super::response::{Body, PlainAnswer, full, xml_response};
use crate::answer::{Action, Answer};
use crate::error::StsError;
use crate::fault::FaultKind;

const CHUNK: usize = 64 << 10;

/// The error which stands in place of the answer.
pub(super) fn as_error(fault: &FaultKind) -> Option<StsError> {
    Some(match fault {
        FaultKind::Throttle => StsError::throttling(),
        FaultKind::Error { code, status, message } => StsError::new(code, *status, message),
        FaultKind::ServerError { status: 500 } => {
            StsError::new("InternalFailure", 500, "The request processing has failed because of an unknown error.")
        }
        FaultKind::ServerError { status } => StsError::new("ServiceUnavailable", *status, "Service is unavailable"),
        FaultKind::IdpCommunicationError => {
            StsError::new("IDPCommunicationError", 400, "Error communicating with the identity provider")
        }
        FaultKind::InvalidIdentityTokenVerificationKey => StsError::verification_key(),
        _ => return None,
    })
}

/// Makes a sound answer say something wrong.
pub(super) fn tamper(answer: &mut Answer, fault: Option<&FaultKind>, now: i64) {
    match fault {
        Some(FaultKind::MissingExpiry) => answer.set_expiration(None),
        Some(FaultKind::PastExpiry) => answer.set_expiration(Some(now - 3600)),
        Some(FaultKind::WrongRoot) => *answer = other_answer(answer.action),
        _ => {}
    }
}

/// Sends the answer in the way of the fault.
pub(super) async fn respond(plain: PlainAnswer, fault: &FaultKind, request_id: &str) -> Response<Body> {
    let (status, xml) = (plain.status, Bytes::from(plain.xml));
    let half = xml.slice(..xml.len() / 2);
    match *fault {
        FaultKind::Delay { milliseconds } => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            xml_response(status, request_id, None, full(xml))
        }
        FaultKind::Drip { milliseconds } => {
            let length = xml.len();
            let body = streamed(|mut sender| async move {
                for index in 0..xml.len() {
                    if sender.send_data(xml.slice(index..=index)).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                }
            });
            xml_response(status, request_id, Some(length), body)
        }
        FaultKind::TruncatedBody => {
            let body = streamed(|mut sender| async move {
                if sender.send_data(half).await.is_ok() {
                    // Lets the half get out before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    sender.abort(io::ErrorKind::ConnectionAborted.into());
                }
            });
            xml_response(status, request_id, Some(xml.len()), body)
        }
        FaultKind::CutXml => xml_response(status, request_id, None, full(half)),
        FaultKind::Garbage => xml_response(200, request_id, None, full("\u{0}\u{1}{\"this\": is neither XML nor JSON")),
        FaultKind::HugeBody { mebibytes } => {
            let chunks = (mebibytes as usize) * (1 << 20) / CHUNK;
            let body = streamed(|mut sender| async move {
                let chunk = Bytes::from(vec![b' '; CHUNK]);
                for _ in 0..chunks {
                    if sender.send_data(chunk.clone()).await.is_err() {
                        return;
                    }
                }
            });
            xml_response(200, request_id, None, body)
        }
        _ => xml_response(status, request_id, None, full(xml)),
    }
}

/// A body written by a task of its own.
fn streamed<F>(write: impl FnOnce(Sender<Bytes, io::Error>) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, body) = Channel::new(1);
    tokio::spawn(write(sender));
    body.boxed()
}

fn other_answer(action: Action) -> Answer {
    let account = "000000000000";
    let mut answer = Answer::identity(&format!("arn:aws:iam::{account}:user/other"), "AIDAOTHER", account);
    if action == Action::GetCallerIdentity {
        answer.action = Action::AssumeRole;
    }
    answer
}
