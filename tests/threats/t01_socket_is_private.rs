//! T1: the socket is never open to another uid.
