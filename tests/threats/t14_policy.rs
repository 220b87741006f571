//! T14: no credential without an allow at the time of the request.
