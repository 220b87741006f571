//! Who may have which credentials, and when: rules that are read strictly and evaluated purely.
//!
//! [`Policy::parse`] turns text into a [`Policy`] or says what is wrong with it; [`Policy::evaluate`] answers a
//! [`Question`] with a [`Verdict`], and [`Policy::explain`] says why; [`PolicyFile`] keeps a policy in step with its file,
//! and is the only part that does input. A document that this version cannot enforce to the letter is refused, never read with a part left out.

pub mod document;
mod evaluate;
mod explain;
mod flaw;
mod json;
mod load;
mod pattern;
mod schema;
mod time;
mod warnings;

pub use document::{Approvals, Approver, BreakGlass, Limits, ReasonCode};
pub use evaluate::{Condition, Ground, Mode, PeerFacts, Program, Question, Verdict};
pub use explain::{Difference, Explanation, Outcome, RuleExplained};
pub use flaw::Flaw;
pub use json::check_object;
pub use load::PolicyFile;
pub use schema::{Constraints, Effect, Policy};
