//! T18: never expired, empty or half-made credentials.
