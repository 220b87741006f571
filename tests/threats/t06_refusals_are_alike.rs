//! T6: a refusal does not tell why.
