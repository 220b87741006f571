//! T8: only Host values that name the listener are served.
