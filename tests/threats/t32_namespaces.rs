//! T32: an identity that namespaces make ambiguous is refused.
