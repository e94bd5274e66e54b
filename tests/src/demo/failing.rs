//! SQL that fails on the real database.

use super::stage::{Stage, note};
use crate::change::{approve, submit, wait_for};
use crate::platform::Platform;
use crate::scratch::Scratch;
use crate::target::columns;

const SQL: &str = "\
CREATE TABLE public.half_done (id bigint);
ALTER TABLE public.does_not_exist ADD COLUMN note text;
";
/// `undefined_table`
const SQLSTATE: &str = "42P01";

/// Plays it.
pub async fn play(stage: &mut Stage, platform: &Platform, scratch: &Scratch) -> anyhow::Result<()> {
    stage.step("a change whose second statement fails, countersigned by both");
    note(SQL);
    let file = scratch.file("failing.sql", SQL)?;
    let change = submit(platform, "half of it would work", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    approve(platform, "bob", &change).await?;
    approve(platform, "cyd", &change).await?;
    let failed = wait_for(platform, &change, "failed").await?;
    let code = failed.change.code.unwrap_or_default();
    let nothing = columns(platform, "half_done").await?.is_empty();
    stage.promise(
        "SQL that fails leaves nothing half done, and says why",
        format!(
            "failed with SQLSTATE {code}; public.half_done {}",
            if nothing { "is not there" } else { "EXISTS" }
        ),
        nothing && code == SQLSTATE,
    );
    Ok(())
}
