//! Patterns for names: `*` is any run of characters, the empty one included; everything else is itself.

/// The longest part that is compared place by place. To search for it in a better way takes preparations that cost more
/// than most names have places.
const SHORT_BYTES: usize = 16;

/// A name with `*` in it, or none. One allocation, because a policy may have thousands.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Pattern {
    text: Box<str>,
    /// How much stands before the first star, and after the last one, in bytes; `None` where there is no star.
    ends: Option<(usize, usize)>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let last = text.rfind('*').and_then(|last| text.len().checked_sub(last)?.checked_sub(1));
        Self { text: text.into(), ends: text.find('*').zip(last) }
    }

    /// As the policy has it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every name matches.
    pub(super) fn is_everything(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    /// Whether the whole of `name` matches, upper and lower case apart.
    ///
    /// Takes time linear in both lengths: the text between two stars is looked for once, from left to right, and the
    /// first place found is as good as any later one.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some((before, behind)) = self.ends else { return *name == *self.text };
        let Some((first, pattern)) = self.text.split_at_checked(before) else { return false };
        let Some((pattern, last)) = pattern.len().checked_sub(behind).and_then(|at| pattern.split_at_checked(at))
        else {
            return false;
        };
        let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
        for part in pattern.split('*').filter(|part| !part.is_empty()) {
            let Some(after) = after(rest, part) else { return false };
            rest = after;
        }
        true
    }
}

/// What follows the first place at which `part` is found.
fn after<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    if part.len() > SHORT_BYTES {
        return text.split_once(part).map(|(_, after)| after);
    }
    let first = part.bytes().next()?;
    let mut places = text.bytes().enumerate().filter(|(_, byte)| *byte == first);
    places.find_map(|(start, _)| text.get(start..)?.strip_prefix(part))
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
            ("*0123456789abcdefg*", "x0123456789abcdefgh", true),
            ("*0123456789abcdefg*", "x0123456789abcdef-g", false),
            ("*ä*ä", "ää", true),
            ("*ä*ä", "äa", false),
            ("a.c", "abc", false),
            ("a?c", "abc", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_stars_are_everything() {
        for (text, expected) in [("*", true), ("***", true), ("*a", false), ("a", false), ("**a*", false)] {
            assert_eq!(Pattern::new(text).is_everything(), expected, "{text}");
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
