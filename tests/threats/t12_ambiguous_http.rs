//! T12: ambiguous HTTP is refused.
