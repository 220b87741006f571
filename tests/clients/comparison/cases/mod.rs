//! The cases, by subject.

mod chains;
mod environment;
mod places;
mod syntax;

use super::case::{Case, Expected};

/// All of them.
pub(super) const CASES: [&[Case]; 4] = [syntax::CASES, environment::CASES, chains::CASES, places::CASES];
