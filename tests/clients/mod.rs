//! Real clients against the real program.

pub(crate) mod moto;
