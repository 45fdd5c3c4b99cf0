//! Advice for people: the IAM policies that a chain requires, and diagnoses of STS errors.

pub(crate) mod diagnosis;
pub(crate) mod iam;
