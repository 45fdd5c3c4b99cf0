//! The effects of faults on responses.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::Response;
use hyper::header::RETRY_AFTER;

use super::response::{Body, RenderedResponse, full, insert_date, xml_response};
use crate::action::Action;
use crate::clock;
use crate::error::StsError;
use crate::fault::FaultKind;
use crate::success_response::SuccessResponse;

const CHUNK: usize = 64 << 10;

/// Returns the error that the fault causes instead of the normal response.
pub(super) fn error_for(fault: &FaultKind) -> Option<StsError> {
    Some(match fault {
        FaultKind::Throttle | FaultKind::ThrottleWithRetryAfter { .. } => StsError::throttling(),
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

/// Makes the content of a success response wrong, if the fault requires it.
pub(super) fn alter_success(response: &mut SuccessResponse, fault: Option<&FaultKind>, now: i64) {
    match fault {
        Some(FaultKind::MissingExpiry) => response.set_expiration(None),
        Some(FaultKind::PastExpiry) => response.set_expiration(Some(now - 3600)),
        Some(FaultKind::FarExpiry) => response.set_expiration(Some(clock::END_OF_9999)),
        Some(FaultKind::ControlCharacter) => response.insert_line_break(),
        Some(FaultKind::WrongRoot) => *response = response_to_another_action(response.action),
        _ => {}
    }
}

/// Sends a response with the effects of faults that change how it is sent.
pub(super) async fn send(rendered: RenderedResponse, fault: &FaultKind, request_id: &str, now: i64) -> Response<Body> {
    let (status, xml) = (rendered.status, Bytes::from(rendered.xml));
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
                    // Send the first half before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    sender.abort(io::ErrorKind::ConnectionAborted.into());
                }
            });
            xml_response(status, request_id, Some(xml.len()), body)
        }
        FaultKind::StaleDate { seconds } => {
            let mut response = xml_response(status, request_id, None, full(xml));
            insert_date(&mut response, now - i64::from(seconds));
            response
        }
        FaultKind::ThrottleWithRetryAfter { seconds } => {
            let mut response = xml_response(status, request_id, None, full(xml));
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            response
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

/// Returns a body that a separate task writes.
fn streamed<F>(write: impl FnOnce(Sender<Bytes, io::Error>) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, body) = Channel::new(1);
    tokio::spawn(write(sender));
    body.boxed()
}

fn response_to_another_action(action: Action) -> SuccessResponse {
    let account = "000000000000";
    let arn = format!("arn:aws:iam::{account}:user/other");
    let mut response = SuccessResponse::caller_identity(&arn, "AIDAOTHER", account);
    if action == Action::GetCallerIdentity {
        response.action = Action::AssumeRole;
    }
    response
}
