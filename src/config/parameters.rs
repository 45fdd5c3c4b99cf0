//! Session policies, tags and source identity, checked against STS's limits before any call.
//! [Limits](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_RequestParameters).

use crate::{
    arn::NotValid,
    settings::{errors::ConfigErrors, setting::Setting},
    sts::Tag,
};

/// The tags of a hop: those with fixed values, and whether the pod's are added.
#[derive(Clone, Default)]
pub(super) struct Tags {
    pub(super) fixed: Vec<Tag>,
    pub(super) pod: bool,
}

/// The keys of the tags that `pod` adds, as far as the token's claims hold them.
const POD_TAG_KEYS: [&str; 4] =
    ["kubernetes-namespace", "kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid"];

impl Tags {
    /// Whether a tag of this key is passed. Keys that differ in case alone are the same to STS.
    fn hold(&self, key: &str) -> bool {
        let mut fixed = self.fixed.iter().map(|tag| tag.key.as_str());
        fixed.any(|tag| tag.eq_ignore_ascii_case(key)) || (self.pod && is_pod_tag(key))
    }
}

fn is_pod_tag(key: &str) -> bool {
    POD_TAG_KEYS.iter().any(|pod| pod.eq_ignore_ascii_case(key))
}

/// A session policy: JSON, or `@FILE` that holds it.
pub(super) fn policy(setting: &Setting, errors: &mut ConfigErrors) -> Option<String> {
    let Setting { text, origin } = setting;
    let json = match text.strip_prefix('@') {
        None => text.clone(),
        Some(path) => match std::fs::read_to_string(path) {
            Ok(json) => json,
            Err(error) => {
                errors.add(format!("{origin}: policy file {path}: {}", error.kind()));
                return None;
            }
        },
    };
    let parsed = match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(value.to_string()),
        Ok(_) => Err(NotValid::new("must be a JSON object: an IAM policy document")),
        Err(error) => Err(NotValid::new(format!("is not JSON (line {}, column {})", error.line(), error.column()))),
    };
    // White space counts for STS, so what is sent is the document without any.
    let compact = errors.check(origin, parsed)?;
    if compact.chars().count() > 2048 {
        errors.add(format!("{origin} exceeds the 2,048 characters of a session policy"));
        return None;
    }
    Some(compact)
}

/// The managed policies of a hop.
pub(super) fn policy_arns(setting: Vec<Setting>, errors: &mut ConfigErrors) -> Vec<String> {
    if let [first, ..] = setting.as_slice()
        && setting.len() > 10
    {
        errors.add(format!("{} names {} policies: STS takes up to 10", first.origin, setting.len()));
    }
    setting
        .into_iter()
        .filter_map(|Setting { text, origin }| {
            let is_policy = text.starts_with("arn:") && text.contains(":policy/") && (20..=2048).contains(&text.len());
            let parsed = if is_policy {
                Ok(text)
            } else {
                Err(NotValid::new("is not a managed policy's ARN (arn:aws:iam::aws:policy/NAME)"))
            };
            errors.check(&origin, parsed)
        })
        .collect()
}

/// The session tags of a hop: `K=V`, or `pod`.
pub(super) fn tags(setting: Vec<Setting>, errors: &mut ConfigErrors) -> Tags {
    let mut tags = Tags { fixed: Vec::new(), pod: setting.iter().any(|setting| setting.text == "pod") };
    for Setting { text, origin } in setting {
        if text == "pod" {
            continue;
        }
        let parsed = match text.split_once('=') {
            None => Err(NotValid::new("must be KEY=VALUE or pod")),
            Some((key, value)) => check_tag_key(key).and_then(|()| {
                if value.chars().count() > 256 {
                    return Err(NotValid::new("has a tag value of more than 256 characters"));
                }
                Ok(Tag { key: key.to_owned(), value: value.to_owned() })
            }),
        };
        let Some(tag) = errors.check(&origin, parsed) else { continue };
        if tags.pod && is_pod_tag(&tag.key) {
            errors.add(format!("{origin} gives the tag {}, which pod adds: keep one of the two", tag.key));
        } else if tags.hold(&tag.key) {
            errors.add(format!("{origin} gives the tag {} twice", tag.key));
        } else {
            tags.fixed.push(tag);
        }
        if tags.fixed.len() == 51 {
            errors.add(format!("{origin} gives more than 50 tags"));
        }
    }
    tags
}

/// The keys of those of `tags` that go on to further hops.
pub(super) fn transitive_tag_keys(setting: Vec<Setting>, tags: &Tags, errors: &mut ConfigErrors) -> Vec<String> {
    let checked = setting.into_iter().filter_map(|Setting { text, origin }| {
        let parsed = check_tag_key(&text).and_then(|()| {
            if !tags.hold(&text) {
                return Err(NotValid::new(
                    "names a key that is no session tag of the same hop: give it with --session-tag \
                     (credvend_session_tags in a profile) too",
                ));
            }
            Ok(text)
        });
        errors.check(&origin, parsed)
    });
    checked.collect()
}

/// Who is behind a session: 2 to 64 of a session name's characters.
pub(super) fn source_identity(setting: &Setting, errors: &mut ConfigErrors) -> Option<String> {
    let parsed = crate::arn::SessionName::parse(&setting.text).map(|name| name.as_str().to_owned()).map_err(|_| {
        NotValid::new("is not a source identity: it must have 2 to 64 of the characters A-Z a-z 0-9 _+=,.@-")
    });
    errors.check(&setting.origin, parsed)
}

fn check_tag_key(key: &str) -> Result<(), NotValid> {
    match key.chars().count() {
        1..=128 => Ok(()),
        _ => Err(NotValid::new("has a tag key without 1 to 128 characters")),
    }
}
