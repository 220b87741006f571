//! What the child gets: its environment, the AWS config file that names our helper, and the private directory.

pub mod config_file;
pub mod directory;
pub mod environment;
pub mod settings;
