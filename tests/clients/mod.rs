//! Real clients against the real program.

mod aws_cli;
mod boto3;
pub(crate) mod moto;
mod world;
