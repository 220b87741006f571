//! T25: what sentinel spawned, inherited or adopted is not in the tree.
