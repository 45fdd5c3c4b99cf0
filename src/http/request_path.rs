//! Spellings of a request path that mean the same.

use std::borrow::Cow;

/// Returns `path` with one slash in place of several, and without slashes at its end. SDKs build the path from a base URL that may or
/// may not end with a slash. Dots and percent-encoded characters keep their meaning: `..` is an ordinary name.
pub(crate) fn collapse_slashes(path: &str) -> Cow<'_, str> {
    let trimmed = path.trim_end_matches('/');
    // A search for `"//"` would prepare itself for long texts.
    if !trimmed.as_bytes().windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(trimmed);
    }
    let mut collapsed = String::with_capacity(trimmed.len());
    for c in trimmed.chars() {
        if c != '/' || !collapsed.ends_with('/') {
            collapsed.push(c);
        }
    }
    Cow::Owned(collapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_trailing_slashes_count_once_or_not_at_all() {
        for (path, expected) in [
            ("/v1/credentials", "/v1/credentials"),
            ("//v1///credentials//", "/v1/credentials"),
            ("/", ""),
            ("//", ""),
            ("/v1/../credentials/", "/v1/../credentials"),
            ("/v1/credentials/a%2F%2Fb%2F", "/v1/credentials/a%2F%2Fb%2F"),
            ("/v1%2fcredentials/", "/v1%2fcredentials"),
        ] {
            assert_eq!(collapse_slashes(path), expected, "{path}");
        }
    }
}
