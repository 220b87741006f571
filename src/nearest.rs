//! "Did you mean": the known names that are closest to one that is not known.

/// The names at most a third of `wanted`'s length (and at least one edit) away, closest first, at most three.
/// Distance is Levenshtein's, in characters, ignoring ASCII case.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = wanted.chars().count().div_ceil(3);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (distance(wanted, name), name))
        .filter(|(edits, name)| *edits <= limit || shares_prefix(wanted, name))
        .collect();
    found.sort_unstable();
    found.truncate(3);
    found.into_iter().map(|(_, name)| name).collect()
}

/// `did you mean a, b or c?`, or nothing when no name is near.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: Vec<String> = nearest(wanted, known).into_iter().map(|name| format!("`{name}`")).collect();
    let (last, rest) = names.split_last()?;
    Some(match rest {
        [] => format!("did you mean {last}?"),
        rest => format!("did you mean {} or {last}?", rest.join(", ")),
    })
}

/// Whether one name is the beginning of the other, with at least three characters in common.
fn shares_prefix(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    a.len().min(b.len()) >= 3 && (a.starts_with(&b) || b.starts_with(&a))
}

/// Levenshtein's distance with one row of memory.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i + 1;
        next.push(left);
        for ((y, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != *y));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_closest_first() {
        assert_eq!(nearest("prdo", ["dev", "prod", "prod-eu"]), ["prod"]);
        assert_eq!(nearest("prod", ["prod-eu", "prod-us", "dev"]), ["prod-eu", "prod-us"]);
        assert_eq!(nearest("zzz", ["prod"]), [""; 0]);
        assert_eq!(did_you_mean("profile", ["profiles", "users"]).as_deref(), Some("did you mean `profiles`?"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
