//! T27: no connection outlives revocation or the child.
