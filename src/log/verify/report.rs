//! What came of a check.

use crate::log::chain::Head;

/// Findings and notes that are kept; the rest is counted.
const KEPT: usize = 1000;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, each with the file and the line.
    pub findings: Vec<String>,
    /// Findings beyond those that were kept.
    pub more_findings: u64,
    /// What may be as it should, and what cannot be known.
    pub notes: Vec<String>,
    /// Notes beyond those that were kept.
    pub more_notes: u64,
    /// The last line of each stream: what to keep out of the writer's reach.
    pub heads: Vec<Head>,
    /// How many lines there were.
    pub lines: u64,
}

impl Report {
    pub(super) fn finding(&mut self, text: String) {
        keep(&mut self.findings, &mut self.more_findings, text);
    }

    pub(super) fn note(&mut self, text: String) {
        keep(&mut self.notes, &mut self.more_notes, text);
    }
}

fn keep(kept: &mut Vec<String>, more: &mut u64, text: String) {
    if kept.len() < KEPT {
        kept.push(text);
    } else {
        *more = more.saturating_add(1);
    }
}
