//! Real clients against the real program.

mod aws_cli;
mod boto3;
mod comparison;
mod every;
pub(crate) mod https;
mod imds;
pub(crate) mod javascript;
pub(crate) mod moto;
mod programs;
mod table;
pub(crate) mod world;
