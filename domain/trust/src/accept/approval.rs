//! Line 8: the people whom root, change and site demand have signed.

use super::form::Statements;
use super::{Reason, Refusal};
use crate::dsse::Parsed;
use crate::pinned::PinnedRoot;
use crate::quorum::{self, Counted, LocalRules, Shortfall};
use crate::statement::Change;

/// Line 8.
pub(super) fn approval(
    change: &Parsed<Change>,
    statements: &Statements,
    current: &PinnedRoot,
    rules: &LocalRules,
) -> Result<Counted, Refusal> {
    if change.statement().break_glass.is_some() {
        return Err(Refusal::not_supported(8, "break-glass changes are not supported yet"));
    }
    if statements.delegations > 0 {
        return Err(Refusal::not_supported(8, "delegations are not supported yet"));
    }
    quorum::granted(change, statements.submission.as_ref(), current.root(), rules).map_err(
        |shortfall| Refusal::new(line(&shortfall), reason(&shortfall), shortfall.to_string()),
    )
}

fn line(shortfall: &Shortfall) -> u8 {
    if matches!(shortfall, Shortfall::UnknownEnvironment(_)) { 7 } else { 8 }
}

fn reason(shortfall: &Shortfall) -> Reason {
    match shortfall {
        Shortfall::UnknownEnvironment(_) => Reason::WrongEnvironment,
        Shortfall::Passkeys => Reason::NotSupported,
        Shortfall::Quorum { .. } => Reason::QuorumNotMet,
        Shortfall::Requirement { .. } => Reason::RequirementNotMet,
        Shortfall::AuthorUnsigned => Reason::AuthorUnsigned,
        Shortfall::NativeMin { .. } => Reason::NativeMinNotMet,
    }
}
