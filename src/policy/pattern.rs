//! Patterns for names: `*` is any run of characters, the empty one included; everything else is itself.

/// A name with `*` in it, or none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As the policy has it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every name matches.
    pub(super) fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the whole of `name` matches, upper and lower case apart.
    ///
    /// Takes time linear in both lengths: the text between two stars is looked for once, from left to right, and the
    /// first place found is as good as any later one.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(last) = parts.next_back() else {
            return name == first;
        };
        let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
            return false;
        };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("prod", "prod", true),
            ("prod", "Prod", false),
            ("prod", "prod2", false),
            ("*", "", true),
            ("*", "anything/at all", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("*-ro", "prod-ro", true),
            ("*-ro", "prod-rw", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("aba*aba", "aba", false),
            ("aba*aba", "abaaba", true),
            ("**", "x", true),
            ("a**b", "ab", true),
            ("*ä*", "Bär", true),
            ("a.c", "abc", false),
            ("a?c", "abc", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        // A matcher that backtracks would need more steps here than there are atoms.
        let pattern = Pattern::new(&"*a".repeat(200));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(100_000))));
        assert!(pattern.matches(&"a".repeat(100_000)));
    }
}
