//! The sealed log through the command line: parts of it, proofs, comparisons and the past, from a real platform.

use anyhow::Context as _;
use scenario::change::{approve, submit, wait_for};
use scenario::command_line::CommandLine;
use scenario::running::platform;
use scenario::scratch::Scratch;
use scenario::target;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;
use tokio_postgres::SimpleQueryMessage;

const NAME: &str = "ledger";

struct World {
    auditor: CommandLine,
    policy: String,
    change: String,
    scratch: Scratch,
}

/// A change that was countersigned and applied. One for all tests: two at once would drift from under each other.
async fn applied() -> anyhow::Result<String> {
    static APPLIED: OnceCell<String> = OnceCell::const_new();
    APPLIED.get_or_try_init(apply).await.cloned()
}

async fn apply() -> anyhow::Result<String> {
    let (platform, scratch) = (platform(NAME).await?, Scratch::new()?);
    let file = scratch.file("a.sql", "CREATE TABLE IF NOT EXISTS public.l (id bigint);\n")?;
    let change = submit(platform, NAME, &file).await?;
    wait_for(platform, &change, "pending_approval").await?;
    approve(platform, "bob", &change).await?;
    approve(platform, "cyd", &change).await?;
    wait_for(platform, &change, "applied").await?;
    Ok(change)
}

async fn world() -> anyhow::Result<World> {
    let (platform, change) = (platform(NAME).await?, applied().await?);
    let scratch = Scratch::new()?;
    let policy = platform.card.verify_policy.to_str().context("not UTF-8")?.to_owned();
    Ok(World { auditor: platform.as_somebody("auditor")?, policy, change, scratch })
}

impl World {
    /// Exports into a new folder.
    async fn export(&self, name: &str, part: &[&str]) -> anyhow::Result<PathBuf> {
        let path = self.scratch.path().join(name);
        let out = path.to_str().context("not UTF-8")?;
        self.auditor.run(&[&["audit", "export", "--out", out], part].concat()).await?;
        Ok(path)
    }

    /// How a verb under the policy ends, and what it prints as JSON.
    async fn audit(&self, arguments: &[&str]) -> anyhow::Result<(i32, Value)> {
        let common = ["--policy", &self.policy, "-o", "json"];
        let answered = self.auditor.call(&[&["audit"], arguments, &common].concat()).await?;
        let value = serde_json::from_str(&answered.out);
        Ok((answered.code, value.with_context(|| format!("{arguments:?}: {}", answered.err))?))
    }

    async fn verify(&self, bundle: &Path, kept: &[&str]) -> anyhow::Result<(i32, Value)> {
        let bundle = bundle.to_str().context("not UTF-8")?;
        self.audit(&[&["verify", bundle], kept].concat()).await
    }
}

/// Rewrites a file line by line.
fn rewrite(path: &Path, edit: impl Fn(usize, &str) -> Option<String>) -> anyhow::Result<()> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().enumerate().filter_map(|(at, line)| edit(at, line));
    let text: String = lines.map(|line| line + "\n").collect();
    Ok(fs::write(path, text)?)
}

#[tokio::test]
async fn what_is_cut_off_the_end_is_missed_by_the_checkpoint_alone() -> anyhow::Result<()> {
    let world = world().await?;
    let bundle = world.export("whole", &[]).await?;
    let (code, told) = world.verify(&bundle, &[]).await?;
    assert_eq!((code, &told["record"]["sealed"]["size"]), (0, &told["record"]["last_sequence"]));
    let last = told["record"]["lines"].as_u64().context("lines")?;
    rewrite(&bundle.join("commits.ndjson"), |at, line| {
        (at as u64 + 1 < last).then(|| line.to_owned())
    })?;
    assert_eq!(world.verify(&bundle, &[]).await?.0, 8, "a sealed message is missing");
    // Who states another end, and drops the checkpoint, is told off by a checkpoint that was kept.
    let kept = world.scratch.path().join("kept");
    fs::rename(bundle.join("checkpoint"), &kept)?;
    let manifest = fs::read_to_string(bundle.join("bundle.json"))?;
    let stated = format!("\"tree_size\":{last}");
    assert!(manifest.contains(&stated), "{manifest}");
    let shorter = manifest.replace(&stated, &format!("\"tree_size\":{}", last - 1));
    fs::write(bundle.join("bundle.json"), shorter)?;
    let (code, told) = world.verify(&bundle, &[]).await?;
    let told = told["record"]["caveats"].to_string();
    assert!(code != 7 && told.contains("not_sealed"), "{code}: {told}");
    let kept = kept.to_str().context("not UTF-8")?;
    assert_eq!(world.verify(&bundle, &["--checkpoint", kept]).await?.0, 8);
    Ok(())
}

#[tokio::test]
async fn a_receipt_is_proven_and_a_forged_one_is_not() -> anyhow::Result<()> {
    let world = world().await?;
    let bundle = world.export("whole", &[]).await?;
    let file = world.scratch.file("b.sql", "CREATE TABLE IF NOT EXISTS public.m (id bigint);\n")?;
    let ada = platform(NAME).await?.as_somebody("ada")?;
    let source = platform(NAME).await?.target()?.name.clone();
    let sql = file.to_str().context("not UTF-8")?;
    let receipt: Value = ada
        .json(&["change", "submit", "--source", &source, "--title", "receipt", "--sql", sql])
        .await?;
    let later = world.export("later", &[]).await?;
    let path = world.scratch.file("receipt.json", &receipt.to_string())?;
    let path = path.to_str().context("not UTF-8")?;
    let (code, told) = world.audit(&["prove", "--receipt", path]).await?;
    assert_eq!((code, &told["hash"]), (0, &receipt["hash"]), "{told}");
    assert_eq!(world.verify(&later, &["--receipt", path]).await?.0, 0);
    assert_eq!(world.verify(&bundle, &["--receipt", path]).await?.0, 8, "it came later");
    let mut forged = receipt.clone();
    forged["hash"] = format!("blake3:{}", "0".repeat(64)).into();
    let path = world.scratch.file("forged.json", &forged.to_string())?;
    let path = path.to_str().context("not UTF-8")?;
    assert_eq!(world.audit(&["prove", "--receipt", path]).await?.0, 7);
    assert_eq!(world.verify(&later, &["--receipt", path]).await?.0, 7);
    Ok(())
}

#[tokio::test]
async fn a_part_stands_on_its_proofs() -> anyhow::Result<()> {
    let world = world().await?;
    let part = world.export("part", &["--change", &world.change]).await?;
    let (code, told) = world.verify(&part, &[]).await?;
    assert_eq!((code, told["approvals"].as_array().map(Vec::len)), (0, Some(1)), "{told}");
    let proofs = part.join("proofs.ndjson");
    let untouched = fs::read_to_string(&proofs)?;
    rewrite(&proofs, |at, line| (at != 2).then(|| line.to_owned()))?;
    assert_eq!(world.verify(&part, &[]).await?.0, 8, "a proof is missing");
    fs::write(&proofs, untouched.replacen("\"path\":[\"", "\"path\":[\"A", 1))?;
    assert_eq!(world.verify(&part, &[]).await?.0, 7, "a proof is damaged");
    fs::write(&proofs, &untouched)?;
    rewrite(&part.join("commits.ndjson"), |at, line| {
        let edited = line.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1);
        Some(if at == 3 { edited } else { line.to_owned() })
    })?;
    assert_eq!(world.verify(&part, &[]).await?.0, 7, "a message was changed");
    let range = world.export("range", &["--range", "2-6"]).await?;
    let (code, told) = world.verify(&range, &[]).await?;
    assert_eq!((code, told["record"]["lines"].as_u64()), (0, Some(5)), "{told}");
    Ok(())
}

#[tokio::test]
async fn two_copies_are_compared_and_the_past_is_told() -> anyhow::Result<()> {
    let world = world().await?;
    let one = world.export("one", &[]).await?;
    let other = world.export("other", &[]).await?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("not UTF-8");
    let (one, other) = (text(&one)?, text(&other)?);
    let (code, told) = world.audit(&["compare", &one, &other]).await?;
    assert_eq!((code, &told["verdict"]), (0, &Value::from("one history")), "{told}");
    rewrite(&Path::new(&other).join("commits.ndjson"), |at, line| {
        let edited = line.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1);
        Some(if at == 6 { edited } else { line.to_owned() })
    })?;
    let (code, told) = world.audit(&["compare", &one, &other]).await?;
    assert_eq!((code, told["first_difference"].as_u64()), (7, Some(7)), "{told}");

    let (code, told) = world.audit(&["timeline", &world.change, "--bundle", &one]).await?;
    assert_eq!(code, 0, "{told}");
    let commits = told["commits"].as_array().context("commits")?;
    let applied = commits.iter().find(|it| it.to_string().contains("schema.applied"));
    let applied = applied.and_then(|it| it["sequence"].as_u64()).context("it was not applied")?;
    let at = async |sequence: u64| {
        let at = sequence.to_string();
        world.audit(&["replay", &world.change, "--bundle", &one, "--at", &at]).await
    };
    let (before, after) = (at(applied - 1).await?.1, at(applied).await?.1);
    assert_eq!(after["state"]["phase"], "applied", "{after}");
    assert_ne!(before["state"]["phase"], "applied", "{before}");
    Ok(())
}

#[tokio::test]
async fn the_archive_alone_tells_the_same() -> anyhow::Result<()> {
    let world = world().await?;
    let live = world.export("live", &[]).await?;
    let archive = platform(NAME).await?.card.data_dir.join("archive");
    let folder = archive.to_str().context("not UTF-8")?;
    let (code, told) = world.audit(&["verify", "--archive", folder]).await?;
    let (_, of_live) = world.verify(&live, &[]).await?;
    let size = |told: &Value| told["record"]["sealed"]["size"].as_u64();
    assert_eq!((code, size(&told) >= size(&of_live)), (0, true), "{told}");
    let part = world.scratch.path().join("part");
    let out = part.to_str().context("not UTF-8")?;
    let export = ["audit", "export", "--archive", folder, "--out", out, "--change", &world.change];
    world.auditor.run(&export).await?;
    assert_eq!(world.verify(&part, &[]).await?.0, 0);
    Ok(())
}

#[tokio::test]
async fn one_aggregate_is_told_by_its_chain() -> anyhow::Result<()> {
    let world = world().await?;
    let (code, told) = world.audit(&["verify", "--aggregate", &world.change]).await?;
    assert_eq!((code, &told["chains"][0]["complete"]), (0, &true.into()), "{told}");
    let sequence = told["chains"][0]["last_sequence"].as_u64().context("a sequence")?;
    // A part that begins in the middle holds the last version, and not those before it.
    let range = format!("{sequence}-{sequence}");
    let part = world.export("tail", &["--range", &range]).await?;
    let part = part.to_str().context("not UTF-8")?;
    let (code, told) = world.audit(&["verify", part, "--aggregate", &world.change]).await?;
    assert_eq!((code, &told["chains"][0]["complete"]), (8, &false.into()), "{told}");
    let strange = "chg_00000000000000000000000000";
    let arguments = ["audit", "verify", "--aggregate", strange, "--policy", &world.policy];
    assert_eq!(world.auditor.call(&arguments).await?.code, 3);
    Ok(())
}

/// What a site's operator sends an auditor.
async fn journal(world: &World, path: &Path) -> anyhow::Result<()> {
    let query = world.auditor.run(&["audit", "target-query"]).await?;
    let rows = target::connect(platform(NAME).await?).await?.simple_query(query.out.trim()).await?;
    let lines = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|line| format!("{line}\n")),
        _ => None,
    });
    Ok(fs::write(path, lines.collect::<String>())?)
}

#[tokio::test]
async fn a_target_remembers_what_the_log_says_and_a_changed_memory_is_found() -> anyhow::Result<()>
{
    let world = world().await?;
    let path = world.scratch.path().join("journal.ndjson");
    let file = path.to_str().context("not UTF-8")?;
    // Another test's job may be under way: its result is in the log, or its step in the journal, a moment later.
    let (mut code, mut told) = (8, Value::Null);
    for _ in 0..100 {
        journal(&world, &path).await?;
        (code, told) = world.audit(&["compare-target", "--journal", file]).await?;
        if code != 8 {
            break;
        }
    }
    assert_eq!((code, &told["differences"]), (0, &Value::Array(Vec::new())), "{told}");
    assert!(told["steps"].as_u64() > Some(0) && told["jobs"].as_u64() > Some(0), "{told}");
    rewrite(&path, |_, line| Some(line.replace("\"succeeded\"", "\"failed\"")))?;
    let (code, told) = world.audit(&["compare-target", "--journal", file]).await?;
    assert_eq!((code, &told["differences"][0]["code"]), (7, &"end_mismatch".into()), "{told}");
    rewrite(&path, |_, line| line.contains("\"version\"").then(|| line.to_owned()))?;
    let (code, told) = world.audit(&["compare-target", "--journal", file]).await?;
    assert_eq!((code, &told["differences"][0]["code"]), (7, &"not_run".into()), "{told}");
    Ok(())
}
