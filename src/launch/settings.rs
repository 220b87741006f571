//! The profile's settings, as the child may see them.

/// What the launcher knows about the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The profile's name.
    pub profile_name: &'a str,
    /// The region, where known.
    pub region: Option<&'a str>,
    /// The profile's settings, names in lower case. A nested block's value is a newline and its indented lines.
    /// Those that lead to credentials are left out here again: see [`crate::profile::leads_to_credentials`].
    pub settings: &'a [(String, String)],
    /// The `[services NAME]` section that the profile's `services` setting names.
    pub services: Option<Services<'a>>,
}

/// A `[services NAME]` section.
#[derive(Debug, Clone, Copy)]
pub struct Services<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its settings: a service's name, and a nested block.
    pub settings: &'a [(String, String)],
}
