//! The `Condition` block of a statement.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::collections::BTreeMap;

use serde_json::Value;

use super::OneOrMany;
use super::wildcard;

/// The condition keys of a request and their values. Keys are case-insensitive, values are case-sensitive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    pub(crate) fn set(&mut self, key: &str, values: impl IntoIterator<Item = impl Into<String>>) {
        self.values.insert(key.to_ascii_lowercase(), values.into_iter().map(Into::into).collect());
    }

    fn values(&self, key: &str) -> Option<&[String]> {
        self.values.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// A parsed operator such as `ForAnyValue:StringLikeIfExists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    set: Option<SetOperator>,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetOperator {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    EqualIgnoringCase,
    Like,
}

impl Operator {
    /// Parses an operator; returns `None` for one that this server does not evaluate.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (set, name) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(SetOperator::ForAllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(SetOperator::ForAnyValue), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (comparison, negated) = match name {
            "StringEquals" => (Comparison::Equal, false),
            "StringNotEquals" => (Comparison::Equal, true),
            "StringEqualsIgnoreCase" => (Comparison::EqualIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Comparison::EqualIgnoringCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Comparison::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Comparison::Like, true),
            _ => return None,
        };
        Some(Self { set, comparison, negated, if_exists })
    }

    fn evaluate(self, expected: &OneOrMany<Value>, actual: Option<&[String]>) -> bool {
        let Some(actual) = actual else {
            return self.if_exists
                || match self.set {
                    None => self.negated,
                    Some(SetOperator::ForAllValues) => true,
                    Some(SetOperator::ForAnyValue) => false,
                };
        };
        let matches_one =
            |value: &String| expected.iter().any(|expected| self.comparison.matches(&as_text(expected), value));
        match self.set {
            None if self.negated => !actual.iter().any(matches_one),
            None => actual.iter().any(matches_one),
            Some(SetOperator::ForAllValues) => actual.iter().all(|value| matches_one(value) != self.negated),
            Some(SetOperator::ForAnyValue) => actual.iter().any(|value| matches_one(value) != self.negated),
        }
    }
}

impl Comparison {
    fn matches(self, expected: &str, actual: &str) -> bool {
        match self {
            Self::Equal => expected == actual,
            Self::EqualIgnoringCase => expected.eq_ignore_ascii_case(actual),
            Self::Like => wildcard::matches(expected, actual),
        }
    }
}

/// Returns true if every operator is true for each of its keys. An unsupported operator is always false.
pub(super) fn all_hold(block: &BTreeMap<String, BTreeMap<String, OneOrMany<Value>>>, context: &Context) -> bool {
    block.iter().all(|(operator, keys)| match Operator::parse(operator) {
        Some(operator) => keys.iter().all(|(key, expected)| operator.evaluate(expected, context.values(key))),
        None => false,
    })
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(operator: &str, expected: Value, actual: Option<&[&str]>) -> bool {
        let mut context = Context::default();
        if let Some(actual) = actual {
            context.set("Some:Key", actual.iter().copied());
        }
        let block =
            serde_json::from_value(serde_json::json!({operator: {"some:key": expected}})).expect("a condition block");
        all_hold(&block, &context)
    }

    #[test]
    fn operators_compare_values() {
        let ab = || serde_json::json!(["a", "b*"]);
        for (operator, actual, result) in [
            ("StringEquals", Some(&["a"][..]), true),
            ("StringEquals", Some(&["b*"]), true),
            ("StringEquals", Some(&["bb"]), false),
            ("StringEquals", Some(&["A"]), false),
            ("StringEquals", None, false),
            ("StringEqualsIfExists", None, true),
            ("StringEqualsIfExists", Some(&["c"]), false),
            ("StringEqualsIgnoreCase", Some(&["A"]), true),
            ("StringNotEquals", Some(&["a"]), false),
            ("StringNotEquals", Some(&["c"]), true),
            ("StringNotEquals", None, true),
            ("StringLike", Some(&["bbb"]), true),
            ("StringLike", Some(&["c"]), false),
            ("StringNotLike", Some(&["bbb"]), false),
            ("ArnLike", Some(&["bbb"]), true),
            ("ForAnyValue:StringEquals", Some(&["c", "a"]), true),
            ("ForAnyValue:StringEquals", Some(&["c"]), false),
            ("ForAnyValue:StringEquals", None, false),
            ("ForAllValues:StringLike", Some(&["bb", "a"]), true),
            ("ForAllValues:StringLike", Some(&["bb", "c"]), false),
            ("ForAllValues:StringLike", None, true),
            ("ForAnyValue:StringNotEquals", Some(&["a", "c"]), true),
            ("NumericLessThan", Some(&["a"]), false),
        ] {
            assert_eq!(evaluate(operator, ab(), actual), result, "{operator} on {actual:?}");
        }
    }

    #[test]
    fn unsupported_operators_are_not_parsed() {
        for name in ["Bool", "NumericEquals", "ForSomeValues:StringEquals", "stringequals", ""] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }
}
