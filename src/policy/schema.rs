//! What a policy document may say, and the strict way from JSON to it.
//!
//! A field that is not known is refused by name. Reading past one of them would turn a restriction into a permission.

mod reader;
mod rule;
mod sections;

use std::collections::HashSet;

use super::document::{Approvals, Approver, BreakGlass, Limits};
use super::flaw::{Flaw, Path, shown};
use super::json;
use crate::digest::{hex, sha256};
use reader::{each, items_of, object, text_of};
pub(super) use rule::{Conditions, Rule};
pub use rule::{Constraints, Effect, is_role_arn};

/// The most rules a policy may have: evaluation looks at every one, on every request.
const MAX_RULES: usize = 10_000;

const DOCUMENT: [&str; 7] = ["version", "accounts", "approvals", "approvers", "breakglass", "limits", "rules"];

/// A list of rules, the first match of which decides; and who may approve, break glass, and how much may be asked for.
#[derive(Debug)]
pub struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) accounts: Option<Vec<String>>,
    approvals: Approvals,
    approvers: Vec<Approver>,
    breakglass: Option<BreakGlass>,
    limits: Limits,
    digest: String,
    needs_user: bool,
    needs_program: bool,
    needs_approvals: bool,
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// When anything in the document is not understood and enforced to the letter.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let json = json::parse(text)?;
        let document = object(&Path::Document, &json, &DOCUMENT)?;

        let version = document.required("version", text_of)?;
        if version != "1" {
            return Err(Flaw::at(
                &Path::Field(&Path::Document, "version"),
                format!("unknown version {}", shown(version)),
            )
            .hint(Some("write \"version\": \"1\"".to_owned())));
        }
        let accounts = document.optional("accounts", sections::accounts_of)?;
        let approvals = document.optional("approvals", sections::approvals_of)?.unwrap_or_default();
        let approvers = document.optional("approvers", sections::approvers_of)?.unwrap_or_default();
        let breakglass = document.optional("breakglass", sections::break_glass_of)?;
        let limits = document.optional("limits", sections::limits_of)?.unwrap_or_default();
        let rules = document.required("rules", rules_of)?;
        approvable(approvals, &approvers, &rules)?;

        let any = |holds: fn(&Rule) -> bool| rules.iter().any(holds);
        let needs_approvals = any(|rule| rule.effect == Effect::RequireApproval);
        let needs_user = needs_approvals
            || accounts.is_some()
            || breakglass.is_some()
            || any(|rule| rule.conditions.users.is_some());
        let needs_program = any(|rule| rule.conditions.executables.is_some() || rule.conditions.sha256.is_some());
        Ok(Self {
            rules,
            accounts,
            approvals,
            approvers,
            breakglass,
            limits,
            digest: hex(&sha256(text.as_bytes())),
            needs_user,
            needs_program,
            needs_approvals,
        })
    }

    /// The SHA-256 of the document as it was read, in hex: what approvals are bound to.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The accounts in which users' names count; `None` is every account.
    pub fn accounts(&self) -> Option<&[String]> {
        self.accounts.as_deref()
    }

    /// What makes an approval count.
    pub fn approvals(&self) -> Approvals {
        self.approvals
    }

    /// Whose signatures count.
    pub fn approvers(&self) -> &[Approver] {
        &self.approvers
    }

    /// Who may break glass; `None` is nobody.
    pub fn breakglass(&self) -> Option<&BreakGlass> {
        self.breakglass.as_ref()
    }

    /// How much one process tree may ask for.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether an answer may turn on who the user is, or on what they may approve or lift.
    pub fn needs_user(&self) -> bool {
        self.needs_user
    }

    /// Whether an answer may turn on which program asks.
    pub fn needs_program(&self) -> bool {
        self.needs_program
    }

    /// Whether an answer may turn on an approval.
    pub fn needs_approvals(&self) -> bool {
        self.needs_approvals
    }
}

fn rules_of(path: &Path<'_>, value: &json::Json) -> Result<Vec<Rule>, Flaw> {
    let items = items_of(path, value)?;
    if items.is_empty() {
        let hint = "a policy without rules denies everything: say so with a rule".to_owned();
        return Err(Flaw::at(path, "an empty list").hint(Some(hint)));
    }
    if items.len() > MAX_RULES {
        return Err(Flaw::at(path, format!("{} rules, and at most {MAX_RULES} are allowed", items.len())));
    }
    let rules = each(path, items, rule::rule_of)?;
    let mut names = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        if !names.insert(&*rule.name) {
            let item = Path::Item(path, index);
            let what = format!("an earlier rule is named {} too", shown(&rule.name));
            return Err(Flaw::at(&Path::Field(&item, "name"), what));
        }
    }
    Ok(rules)
}

/// A rule that asks for what nobody can give, and approvers whom nobody would ask, are mistakes.
fn approvable(approvals: Approvals, approvers: &[Approver], rules: &[Rule]) -> Result<(), Flaw> {
    let asks = rules.iter().position(|rule| rule.effect == Effect::RequireApproval);
    match (approvals, asks) {
        (Approvals::Signed, Some(index)) if approvers.is_empty() => {
            Err(Flaw::new(format!("rules[{index}].effect: nobody could ever approve: there are no `approvers`"))
                .hint(Some("name them with their keys, or say \"approvals\": \"store\"".to_owned())))
        }
        (Approvals::Store, _) if !approvers.is_empty() => {
            Err(Flaw::new("approvers: with \"approvals\": \"store\" nobody's signature is looked at")
                .hint(Some("leave out one of the two".to_owned())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
