//! A change that two people countersign and that is applied.

use super::stage::{Stage, note};
use crate::change::{approve, get, submit, wait_for};
use crate::platform::Platform;
use crate::scratch::Scratch;
use crate::target::columns;
use std::time::Instant;

const SQL: &str = "\
-- Notes on customers.
CREATE TABLE public.notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES public.customers (id),
    body text NOT NULL
);
CREATE INDEX notes_customer_id ON public.notes (customer_id);
";

/// Plays it; gives the change's id.
pub async fn play(
    stage: &mut Stage,
    platform: &Platform,
    scratch: &Scratch,
) -> anyhow::Result<String> {
    stage.step("Ada submits a change");
    note(SQL);
    let file = scratch.file("notes.sql", SQL)?;
    let change = submit(platform, "notes on customers", &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    stage.step(
        "the agent read the live schema; the manifest is fixed: Bob countersigns with his key",
    );
    approve(platform, "bob", &change).await?;
    let waiting = get(platform, &change).await?;
    let phase = waiting.change.state.clone();
    let early = columns(platform, "notes").await?;
    stage.promise(
        "one signature is not enough (the author is only asserted)",
        format!("{phase}: {}", waiting.waiting_for.unwrap_or_default()),
        phase == "pending_approval" && early.is_empty(),
    );
    stage.step("Cyd countersigns too");
    let asked = Instant::now();
    approve(platform, "cyd", &change).await?;
    let applied = wait_for(platform, &change, "applied").await?;
    let took = asked.elapsed();
    let columns = columns(platform, "notes").await?;
    note(&format!("public.notes ({})", columns.join(", ")));
    stage.promise(
        "two people countersign, the agent verifies and runs exactly this SQL",
        format!("applied {:.2} s after the last approval was typed", took.as_secs_f64()),
        columns == ["id bigint", "customer_id bigint", "body text"],
    );
    let told: Vec<_> = applied.change.history.iter().map(|entry| entry.event.as_str()).collect();
    note(&told.join(" -> "));
    Ok(change)
}
