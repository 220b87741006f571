//! T19: the child has one source of credentials.
