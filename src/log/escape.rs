//! Characters that could forge a line or hide a part of it from a reader.

/// Whether a character moves a terminal's cursor, ends a line, reorders text or cannot be seen: control characters,
/// the separators of lines and paragraphs, directional and zero-width formatting.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Appends `text` with hidden characters escaped as JSON escapes them. What does not fit into `limit_bytes` is cut, and the cut
/// is marked with `...`.
pub(crate) fn push(out: &mut String, text: &str, limit_bytes: usize) {
    push_with(out, text, false, limit_bytes);
}

/// The same within a string of JSON: quotation marks and backslashes are escaped, too.
pub(super) fn push_json(out: &mut String, text: &str, limit_bytes: usize) {
    push_with(out, text, true, limit_bytes);
}

fn push_with(out: &mut String, text: &str, is_json: bool, limit_bytes: usize) {
    // Most texts are plain and short. It is asked of every byte of every line.
    let is_plain = |byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    if text.len() <= limit_bytes && text.bytes().all(is_plain) {
        out.push_str(text);
        return;
    }
    let start = out.len();
    let used = |out: &String| out.len().saturating_sub(start);
    let mut cut_at = start;
    for c in text.chars() {
        if is_hidden(c) {
            // Every hidden character is below U+10000, so that four digits hold it.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            if is_json && matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        if used(out) > limit_bytes {
            out.truncate(cut_at);
            out.push_str(CUT);
            return;
        }
        if used(out).saturating_add(CUT.len()) <= limit_bytes {
            cut_at = out.len();
        }
    }
}

/// Stands for what was cut.
const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, limit_bytes: usize) -> String {
        let mut out = "> ".to_owned();
        push_json(&mut out, text, limit_bytes);
        out
    }

    #[test]
    fn hidden_characters_are_escaped() {
        assert_eq!(escaped("a\n\r\t\0\u{7f}\u{9b}b", 99), r"> a\u000a\u000d\u0009\u0000\u007f\u009bb");
        assert_eq!(escaped("\u{202e}\u{2028}\u{200b}\u{feff}", 99), r"> \u202e\u2028\u200b\ufeff");
        assert_eq!(escaped(r#"say "x\y""#, 99), r#"> say \"x\\y\""#);
        assert_eq!(escaped("Zoë 🦀", 99), "> Zoë 🦀");
    }

    #[test]
    fn every_hidden_character_fits_four_digits() {
        assert!(('\u{10000}'..=char::MAX).all(|c| !is_hidden(c)));
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(escaped("abcdef", 6), "> abcdef");
        assert_eq!(escaped("abcdefg", 6), "> abc...");
        assert_eq!(escaped("abä123", 6), "> ab...");
        assert_eq!(escaped("ab\n1", 7), "> ab...");
        assert_eq!(escaped("\"\"\"\"", 7), "> \\\"\\\"...");
    }
}
