//! T21: our files are private, and what is not private is refused.
