//! Tables that are written in several files and joined when the program is compiled.

/// All parts, one after the other. `N` is how many lines they have together; a wrong one does not compile.
#[expect(clippy::indexing_slicing, reason = "it runs in the compiler, which refuses what is out of bounds")]
pub(super) const fn joined<T: Copy, const N: usize>(parts: &[&[T]]) -> [T; N] {
    let mut all = [parts[0][0]; N];
    let (mut part, mut line, mut at) = (0, 0, 0);
    while part < parts.len() {
        if line < parts[part].len() {
            all[at] = parts[part][line];
            at += 1;
            line += 1;
        } else {
            part += 1;
            line = 0;
        }
    }
    assert!(at == N);
    all
}

/// How many lines the parts have together.
#[expect(clippy::indexing_slicing, reason = "it runs in the compiler, which refuses what is out of bounds")]
pub(super) const fn length<T>(parts: &[&[T]]) -> usize {
    let (mut part, mut sum) = (0, 0);
    while part < parts.len() {
        sum += parts[part].len();
        part += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other() {
        const PARTS: &[&[u8]] = &[&[1, 2], &[], &[3]];
        assert_eq!(joined::<u8, { length(PARTS) }>(PARTS), [1, 2, 3]);
    }
}
