//! T4: a stolen token is useless outside its tree, on every kernel tier.
