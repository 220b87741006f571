//! T7: tokens have 256 bits, are not logged, not in argv, and end with the child.
