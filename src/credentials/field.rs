//! The fields of credentials that a server or a program returns, and what their values must look like.

/// A field of credentials.
pub(crate) struct Field {
    name: &'static str,
    /// Maximum length of the value, in bytes.
    max_length: usize,
}

impl Field {
    pub(crate) const ACCESS_KEY_ID: Self = Self { name: "AccessKeyId", max_length: 128 };
    pub(crate) const SECRET_ACCESS_KEY: Self = Self { name: "SecretAccessKey", max_length: 1024 };
    /// AWS documents no maximum. Session tokens have about 1,000 bytes, and servers accept headers of 8 to 16 KiB.
    pub(crate) const SESSION_TOKEN: Self = Self { name: "SessionToken", max_length: 16 * 1024 };
    /// The session token in the documents of containers and of the instance metadata service.
    pub(crate) const TOKEN: Self = Self { name: "Token", ..Self::SESSION_TOKEN };
    pub(crate) const ACCOUNT_ID: Self = Self { name: "AccountId", max_length: 128 };

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Checks that a value fits into a header and into every output.
    ///
    /// # Errors
    /// Returns a clause that names the field and never shows the value.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        let Self { name, max_length } = self;
        if value.is_empty() {
            Err(format!("{name} is empty"))
        } else if value.len() > *max_length {
            Err(format!("{name} has more than {max_length} characters"))
        } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(format!("{name} contains a character that is not visible ASCII"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_visible_ascii_of_limited_length() {
        let check = |value: &str| Field::SECRET_ACCESS_KEY.check(value);
        for good in ["a", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=", &"x".repeat(1024)] {
            assert_eq!(check(good), Ok(()));
        }
        for (bad, problem) in [
            ("", "is empty"),
            (&*"x".repeat(1025), "has more than 1024 characters"),
            ("hid den", "contains a character that is not visible ASCII"),
            ("hidden\n", "contains a character that is not visible ASCII"),
            ("hid\u{1b}den", "contains a character that is not visible ASCII"),
            ("hiddén", "contains a character that is not visible ASCII"),
            ("hid\u{202e}den", "contains a character that is not visible ASCII"),
        ] {
            assert_eq!(check(bad), Err(format!("SecretAccessKey {problem}")));
        }
    }
}
