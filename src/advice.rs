//! Advice for people: the IAM policies that a chain needs, and why STS refused a call.

pub(crate) mod diagnosis;
pub(crate) mod iam;
