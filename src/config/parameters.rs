//! Parses session policies, session tags and source identities, and checks them against the limits of STS.
//! [Limits](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_RequestParameters).

use std::path::Path;

use crate::{
    arn::NotValid,
    bounded_file::{self, FifoPolicy},
    settings::{errors::ConfigErrors, setting::Setting},
    sts::Tag,
};

/// Maximum size of a policy file, in bytes. The policy can have at most 2048 characters without white space.
const MAX_POLICY_FILE: u64 = 256 * 1024;

/// The session tags of a hop.
#[derive(Clone, Default)]
pub(super) struct Tags {
    /// Tags with values from the configuration.
    pub(super) fixed: Vec<Tag>,
    /// Whether to add the tags of the pod.
    pub(super) pod: bool,
}

/// Keys of the tags that `pod` adds if the claims of the token contain their values.
const POD_TAG_KEYS: [&str; 4] =
    ["kubernetes-namespace", "kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid"];

impl Tags {
    /// Returns true if a tag has this key. STS treats keys as case-insensitive.
    fn contains_key(&self, key: &str) -> bool {
        let mut fixed = self.fixed.iter().map(|tag| tag.key.as_str());
        fixed.any(|fixed_key| fixed_key.eq_ignore_ascii_case(key)) || (self.pod && is_pod_tag(key))
    }
}

fn is_pod_tag(key: &str) -> bool {
    POD_TAG_KEYS.iter().any(|pod_key| pod_key.eq_ignore_ascii_case(key))
}

/// Parses a session policy: JSON, or `@FILE` for a file with the JSON.
pub(super) fn policy(setting: &Setting, fifos: FifoPolicy, errors: &mut ConfigErrors) -> Option<String> {
    let Setting { text, origin } = setting;
    let json = match text.strip_prefix('@') {
        None => text.clone(),
        Some(path) => match bounded_file::read_text(Path::new(path), MAX_POLICY_FILE, fifos) {
            Ok(json) => json.to_string(),
            Err(error) => {
                errors.add(format!(
                    "{origin}: cannot read policy file {path}: {error}; check the path and the permissions"
                ));
                return None;
            }
        },
    };
    let parsed = match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(value.to_string()),
        Ok(_) => Err(NotValid::new("must be an IAM policy document, which is a JSON object")),
        Err(error) => {
            Err(NotValid::new(format!("is not valid JSON (line {}, column {})", error.line(), error.column())))
        }
    };
    // White space counts towards the limit, so send the compact form.
    let compact = errors.check(origin, parsed)?;
    if compact.chars().count() > 2048 {
        errors.add(format!(
            "{origin} exceeds 2048 characters, the maximum length of a session policy; shorten the policy"
        ));
        return None;
    }
    Some(compact)
}

/// Parses the ARNs of a hop's managed session policies.
pub(super) fn policy_arns(setting: Vec<Setting>, errors: &mut ConfigErrors) -> Vec<String> {
    if let [first, ..] = setting.as_slice()
        && setting.len() > 10
    {
        errors.add(format!("{} lists {} policies; list at most 10, the limit of STS", first.origin, setting.len()));
    }
    setting
        .into_iter()
        .filter_map(|setting| {
            let text = &setting.text;
            let is_policy = text.starts_with("arn:") && text.contains(":policy/") && (20..=2048).contains(&text.len());
            let parsed = if is_policy {
                Ok(text.clone())
            } else {
                Err(NotValid::new("is not the ARN of a managed policy (arn:aws:iam::aws:policy/NAME)"))
            };
            setting.check(parsed, errors)
        })
        .collect()
}

/// Parses the session tags of a hop: `K=V`, or `pod`.
pub(super) fn tags(setting: Vec<Setting>, errors: &mut ConfigErrors) -> Tags {
    let mut tags = Tags { fixed: Vec::new(), pod: setting.iter().any(|setting| setting.text == "pod") };
    for Setting { text, origin } in setting {
        if text == "pod" {
            continue;
        }
        let parsed = match text.split_once('=') {
            None => Err(NotValid::new("must be KEY=VALUE or pod (a comma separates two tags: no tag can contain one)")),
            Some((key, value)) => check_tag_key(key).and_then(|()| {
                if value.chars().count() > 256 {
                    return Err(NotValid::new("has a tag value longer than 256 characters"));
                }
                check_tag_characters("value", value)?;
                Ok(Tag { key: key.to_owned(), value: value.to_owned() })
            }),
        };
        let Some(tag) = errors.check(&origin, parsed) else { continue };
        if tags.pod && is_pod_tag(&tag.key) {
            errors.add(format!("{origin} sets the tag {}, which pod also adds; remove one of the two", tag.key));
        } else if tags.contains_key(&tag.key) {
            errors.add(format!("{origin} sets the tag {} twice; remove one of the two", tag.key));
        } else {
            tags.fixed.push(tag);
        }
        if tags.fixed.len() == 51 {
            errors.add(format!("{origin} sets more than 50 tags, the limit of STS; remove some tags"));
        }
    }
    tags
}

/// Parses the keys of the transitive tags, which STS passes on to later hops. Each key must be in `tags`.
pub(super) fn transitive_tag_keys(setting: Vec<Setting>, tags: &Tags, errors: &mut ConfigErrors) -> Vec<String> {
    let checked = setting.into_iter().filter_map(|setting| {
        let text = &setting.text;
        let parsed = check_tag_key(text).and_then(|()| {
            if !tags.contains_key(text) {
                return Err(NotValid::new(
                    "has a key that is not a session tag of the same hop; add the tag with --session-tag \
                     (credvend_session_tags in a profile)",
                ));
            }
            Ok(text.clone())
        });
        setting.check(parsed, errors)
    });
    checked.collect()
}

/// Parses a source identity: 2 to 64 of the characters that a role session name can contain.
pub(super) fn source_identity(setting: &Setting, errors: &mut ConfigErrors) -> Option<String> {
    let parsed = crate::arn::SessionName::parse(&setting.text).map(|name| name.as_str().to_owned()).map_err(|_| {
        NotValid::new("is not a valid source identity; use 2 to 64 of the characters A-Z a-z 0-9 _+=,.@-")
    });
    setting.check(parsed, errors)
}

fn check_tag_key(key: &str) -> Result<(), NotValid> {
    match key.chars().count() {
        1..=128 => check_tag_characters("key", key),
        _ => Err(NotValid::new("must have a tag key of 1 to 128 characters")),
    }
}

/// Checks the characters of a tag: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
fn check_tag_characters(part: &str, text: &str) -> Result<(), NotValid> {
    let is_allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    match text.chars().position(|c| !is_allowed(c)) {
        None => Ok(()),
        Some(at) => Err(NotValid::new(format!(
            "has a tag {part} that STS does not accept, because of its character {}: use letters, digits, blanks and _.:/=+-@",
            at + 1
        ))),
    }
}
