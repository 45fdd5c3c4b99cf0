//! IAM's wildcards: `*` matches any number of characters, `?` matches one character.

pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut in_pattern, mut in_text) = (0, 0);
    // Where to continue if the characters after the last star do not match: the pattern after the star, against the text
    // from one character later than before.
    let mut retry: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                retry = Some((in_pattern + 1, in_text));
                in_pattern += 1;
            }
            Some(&expected) if expected == '?' || expected == text[in_text] => {
                in_pattern += 1;
                in_text += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    in_pattern = after_star;
                    in_text = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("*:role/a*", "arn::role/ab"),
            ("*a*a", "aaa"),
        ] {
            assert!(matches(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "ab"), ("abc", "abcd"), ("*b", "abc")] {
            assert!(!matches(pattern, text), "{pattern} should not match {text}");
        }
    }
}
