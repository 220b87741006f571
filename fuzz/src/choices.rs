//! An input as a row of choices. An input that is used up goes on with zeros.

/// What is left of the input.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`, which is at most 65 536.
    pub fn below(&mut self, limit: usize) -> usize {
        let number = u16::from_be_bytes(if limit > 256 { [self.byte(), self.byte()] } else { [0, self.byte()] });
        usize::from(number) % limit
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
