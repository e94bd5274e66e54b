//! What this agent does not run, whoever signed it: its own reading of the bytes, after that of the control plane.

use trust::accept::{Migration, Refusal};
use trust::encoding::Sha256Digest;

/// The predicate's line that speaks of steps and bytes.
const LINE: u8 = 9;

/// Cuts the file again and compares. Refused as `not_supported`, the name for the agent's own limits: transaction
/// control, statements that run outside a transaction, the reserved name `countersign`.
///
/// A full-size file takes seconds, so it runs off the async threads.
pub async fn check_own_limits(migration: &Migration) -> Result<(), Refusal> {
    let file = migration.sql().to_vec();
    let cut = tokio::task::spawn_blocking(move || sql::cut(&file)).await;
    let refused = |sentence: String| Err(Refusal::not_supported(LINE, sentence));
    let steps = match cut {
        Ok(Ok(steps)) => steps,
        // Code and place only: the parser's message can quote the file.
        Ok(Err(error)) => return refused(format!("{} at {}", error.code(), error.place())),
        Err(_) => return refused("the file cannot be read".to_owned()),
    };
    let own: Vec<(u32, bool, String)> =
        steps.into_iter().map(|step| (step.ordinal, step.transactional, step.sha256)).collect();
    let accepted: Vec<(u32, bool, String)> = migration
        .steps()
        .map(|(step, bytes)| {
            (step.ordinal, step.transactional, Sha256Digest::of(bytes).to_string())
        })
        .collect();
    if own != accepted {
        return refused("the file is cut into other steps here than in the change".to_owned());
    }
    Ok(())
}
