//! From a rule's effect to yes or no: pure, so that it can be compared with an oracle.

use super::standing::{Records, Session};
use super::terms::{Terms, Window};
use super::{approval, break_glass};
use crate::policy::{Effect, Mode, Policy, Question, Verdict};
use crate::store::Request;

/// Everything that a decision turns on.
pub(super) struct Facts<'a> {
    /// `None`: no policy is configured.
    pub(super) policy: Option<&'a Policy>,
    pub(super) question: Question<'a>,
    pub(super) session: &'a Session,
    pub(super) records: &'a Records,
}

/// The decision.
pub(super) struct Decision {
    /// Its effect is `allow` or `deny`.
    pub(super) verdict: Verdict,
    /// What credentials are limited to.
    pub(super) terms: Terms,
    /// An approval would make it a yes.
    pub(super) awaits_approval: bool,
}

/// Decides. The session is known to be live, or not to be there.
pub(super) fn decide(facts: &Facts<'_>) -> Decision {
    let Some(policy) = facts.policy else {
        let verdict = Verdict::new(Effect::Allow, "no policy");
        return Decision { verdict, terms: Terms::default(), awaits_approval: false };
    };
    let mut verdict = policy.evaluate(&facts.question);
    let lifts = |may: bool| break_glass_window(facts, policy).filter(|_| may);
    let (window, denial, awaits_approval) = match verdict.effect {
        Effect::Allow => (None, None, false),
        Effect::Deny => match lifts(verdict.may_be_lifted() && lifts_deny(policy)) {
            Some(window) => (Some(window), None, false),
            None => (None, Some(verdict.reason.to_string()), false),
        },
        Effect::RequireServer => (None, needs_server(facts), false),
        Effect::RequireServerSession => (None, needs_session(facts), false),
        Effect::RequireApproval => match approved(facts, policy).or_else(|| lifts(lifts_approval(policy))) {
            Some(window) => (Some(window), None, false),
            None => (None, Some(needs_approval(facts, policy)), true),
        },
    };
    let constraints = verdict.constraints.clone();
    let denial = denial.or_else(|| {
        let table = constraints.as_ref().and_then(|constraints| constraints.session_table.as_deref());
        table.and_then(|table| not_in_table(table, facts.session))
    });
    verdict.effect = if denial.is_some() { Effect::Deny } else { Effect::Allow };
    match (denial, &window) {
        (Some(denial), _) => verdict.reason = denial.into(),
        (None, Some(window)) => verdict.reason = format!("{}: {}", window.name(), verdict.reason).into(),
        (None, None) => {}
    }
    let terms = Terms {
        max_duration: constraints.as_ref().and_then(|constraints| constraints.max_server_duration),
        session_policy: constraints.as_ref().and_then(|constraints| constraints.session_policy.clone()),
        role: None,
        window,
    };
    Decision { verdict, terms, awaits_approval }
}

fn needs_server(facts: &Facts<'_>) -> Option<String> {
    (facts.question.mode != Mode::Server).then(|| "the rule wants a server: give --server or --unix-socket".to_owned())
}

fn needs_session(facts: &Facts<'_>) -> Option<String> {
    needs_server(facts).or_else(|| {
        let live = matches!(facts.session, Session::Live { .. });
        (!live).then(|| "the rule wants a recorded session, and this run has none".to_owned())
    })
}

fn not_in_table(wanted: &str, session: &Session) -> Option<String> {
    match session {
        Session::Live { table: Some(table), .. } if **table == *wanted => None,
        Session::Live { table: Some(table), .. } => {
            Some(format!("the rule wants a session in the table {wanted}, and this one is in {table}"))
        }
        _ => Some(format!(
            "the rule wants a session in the table {wanted}: give --server or --unix-socket, and --session-table {wanted}"
        )),
    }
}

fn approved(facts: &Facts<'_>, policy: &Policy) -> Option<Window> {
    let Question { user: Some(user), profile, now, .. } = facts.question else { return None };
    let mine = facts.records.requests.iter().filter(|one| is_of_account(one, &facts.question));
    let windows = mine.filter_map(|one| approval::judge(one, policy, user, profile, now).ok());
    // The one that lasts longest, so that credentials last as well.
    windows.max_by(|one, other| (one.ends, &one.id).cmp(&(other.ends, &other.id)))
}

/// Whether the requester is of the account that asks: two people in two accounts may have one name. Older tools wrote none.
fn is_of_account(request: &Request, question: &Question<'_>) -> bool {
    request.account.as_deref().is_none_or(|account| question.account == Some(account))
}

/// Why no approval counts: what is wrong with the newest, if there is one.
fn needs_approval(facts: &Facts<'_>, policy: &Policy) -> String {
    let Question { user: Some(user), profile, now, .. } = facts.question else {
        return "the rule wants an approval, and the caller's identity is not known".to_owned();
    };
    let newest = facts.records.requests.iter().find(|one| one.requester == user && one.profile == profile);
    match newest.map(|one| (one, approval::judge(one, policy, user, profile, now))) {
        Some((request, _)) if !is_of_account(request, &facts.question) => {
            format!("the rule wants an approval, and request {} is of another account", request.id)
        }
        Some((request, Err(why))) => format!("the rule wants an approval, and of request {} {why}", request.id),
        _ => format!("the rule wants an approval: `sentinel request create --profile {profile}` asks for one"),
    }
}

fn break_glass_window(facts: &Facts<'_>, policy: &Policy) -> Option<Window> {
    let Question { user: Some(user), profile, now, .. } = facts.question else { return None };
    // What cannot be read may be what makes one too many.
    let events = facts.records.all_events_read.then_some(&facts.records.events)?;
    let windows = events.iter().filter_map(|one| break_glass::judge(one, events, policy, user, profile, now).ok());
    windows.max_by(|one, other| (one.ends, &one.id).cmp(&(other.ends, &other.id)))
}

fn lifts_deny(policy: &Policy) -> bool {
    policy.breakglass().is_some_and(|rules| rules.lifts_deny)
}

fn lifts_approval(policy: &Policy) -> bool {
    policy.breakglass().is_some_and(|rules| rules.lifts_approval)
}
