//! What the child gets: its environment, the AWS config file that names our helper, the private directory, and its token where
//! that is in a file.

pub mod config_file;
pub mod directory;
pub mod environment;
pub mod settings;
pub mod token_file;
