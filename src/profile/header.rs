//! What a section of the config file is, by its name: `[default]`, `[profile x]`, `[services x]`, or none of ours.

/// What a section holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A profile, by its name.
    Profile(String),
    /// Endpoints of services, by the name that a profile's `services` key uses.
    Services(String),
    /// Something else: sso-session, plugins, a profile whose `profile` was forgotten.
    Other,
    /// Meant to be a profile or a services section (the word) and not readable as one.
    Malformed(&'static str),
}

/// Reads a section's name, as botocore does: `profile` or `services`, and one name, which may be quoted.
pub(super) fn classify(section: &str) -> Header {
    if section == "default" {
        return Header::Profile(section.to_owned());
    }
    for (word, make) in [("profile", Header::Profile as fn(String) -> Header), ("services", Header::Services)] {
        if !section.starts_with(word) {
            continue;
        }
        let is_word = section.split_whitespace().next() == Some(word);
        return match words(section).as_deref() {
            Some([first, name]) if first == word && !name.is_empty() => make(name.clone()),
            // botocore looks only at how the first word begins, others at all of it: `[profiles x]`.
            Some([_, _]) => Header::Malformed(word),
            _ if is_word => Header::Malformed(word),
            _ => Header::Other,
        };
    }
    Header::Other
}

/// The words of a section's name, split and unquoted as a POSIX shell would; `None` when a quote stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') => {
                let next = chars.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_what_botocore_says_they_are() {
        // Each expectation was compared with botocore.configloader.build_profile_map.
        for (section, header) in [
            ("default", Header::Profile("default".into())),
            ("profile default", Header::Profile("default".into())),
            ("profile dev", Header::Profile("dev".into())),
            ("profile\tdev", Header::Profile("dev".into())),
            ("profile \"my dev\"", Header::Profile("my dev".into())),
            ("profile 'my dev'", Header::Profile("my dev".into())),
            ("profile my\\ dev", Header::Profile("my dev".into())),
            ("profile \"a\\\"b\\c\"", Header::Profile("a\"b\\c".into())),
            ("profile a\"b c\"d", Header::Profile("ab cd".into())),
            ("services local", Header::Services("local".into())),
            ("sso-session corp", Header::Other),
            ("dev", Header::Other),
            ("plugins", Header::Other),
            ("profiles", Header::Other),
        ] {
            assert_eq!(classify(section), header, "{section}");
        }
    }

    #[test]
    fn a_section_that_is_almost_a_profile_is_not_passed_over() {
        for section in ["profile", "profile a b", "profile \"a", "profile \"\"", "profiles a", "profile a\\"] {
            assert_eq!(classify(section), Header::Malformed("profile"), "{section}");
        }
        assert_eq!(classify("services"), Header::Malformed("services"));
    }
}
