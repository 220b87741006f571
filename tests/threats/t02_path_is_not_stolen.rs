//! T2: an existing path is replaced only if it is a dead socket of ours.
