//! T5: a token bound on first use has one winner.
