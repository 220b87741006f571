//! T11: requests are bounded, and slow clients keep nobody out.
