//! T26: a failure to attest never becomes acceptance.
