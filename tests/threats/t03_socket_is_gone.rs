//! T3: socket and directory are gone after every end.
