//! Who may have which credentials, and when: rules that are read strictly and evaluated purely.
//!
//! [`Policy::parse`] turns text into a [`Policy`] or says what is wrong with it; [`Policy::evaluate`] answers a
//! [`Question`] with a [`Verdict`], and [`Policy::explain`] says why. A document that this version cannot enforce to the letter is refused, never read with
//! a part left out. [`PolicySource`] keeps a policy in step with where it comes from, and is the only part that does input:
//!
//! | file | job |
//! |---|---|
//! | [`source`] | what is asked at every request: a file, or a parameter |
//! | `load` | a file, read again when it changes |
//! | `parameter` | a document that is fetched, and for how long it is believed |
//! | [`read`] | from bytes to a policy that may be obeyed now |
//! | [`envelope`] | signed policies |
//! | `serial` | no older signed policy after a newer one |

pub mod document;
pub mod envelope;
mod evaluate;
mod explain;
mod flaw;
mod json;
mod load;
mod parameter;
mod pattern;
pub mod read;
mod schema;
mod serial;
pub mod source;
mod time;
mod warnings;

pub use document::{Approvals, Approver, BreakGlass, Limits, ReasonCode};
pub use evaluate::{Condition, Ground, Mode, PeerFacts, Program, Question, Verdict};
pub use explain::{Difference, Explanation, Outcome, RuleExplained};
pub use flaw::Flaw;
pub use json::check_object;
pub use schema::{Constraints, Effect, Policy, is_role_arn};
pub use source::PolicySource;
