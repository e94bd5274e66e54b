//! The README's ten minutes are what happens: every `console` block is run, and its output compared.

use anyhow::{Context as _, ensure};
use regex::Regex;
use scenario::platform::shown;
use scenario::scratch::Scratch;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(20);
const MARK: &str = "=== command";

/// A command and what the README says that it prints.
#[derive(Debug)]
struct Step {
    command: String,
    expected: String,
}

fn steps(readme: &str) -> Vec<Step> {
    let blocks = readme.split("```console\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), expected: String::new() });
        } else if let Some(step) = steps.last_mut() {
            step.expected.push_str(line);
            step.expected.push('\n');
        }
    }
    steps
}

/// What differs from run to run: ids, digests, keys, times.
fn alike(text: &str) -> anyhow::Result<String> {
    let rules = [
        (r"\b[a-z]{3}_[0-7][0-9a-z]{25}\b", "<id>"),
        (r"\b[0-9a-f]{64}\b", "<digest>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<time>"),
        (r"\b\d+ ms\b", "<duration>"),
        (r"\broot (<root>|[A-Za-z0-9+/]{43}=)", "root <root>"),
    ];
    let mut text = text.to_owned();
    for (pattern, name) in rules {
        text = Regex::new(pattern)?.replace_all(&text, name).into_owned();
    }
    Ok(text)
}

/// What the card gives to a shell, and nothing else, comes first. The SQL that the README shows as `cat notes.sql` stands in the folder before.
fn script(card: &str, steps: &[Step]) -> anyhow::Result<String> {
    let is_for_the_shell =
        |line: &&str| line.starts_with("  export ") || line.starts_with("  as() ");
    let lines: Vec<&str> = card.lines().filter(is_for_the_shell).collect();
    ensure!(lines.len() == 3, "the README speaks of three lines: {lines:?}");
    let mut script = format!(
        "{}\ncat > notes.sql <<'SQL'\n{}SQL\n",
        lines.join("\n"),
        steps.first().context("the README has no console block")?.expected,
    );
    for step in steps {
        writeln!(script, "echo '{MARK}'\n{{ {}\n}} 2>&1", step.command)?;
    }
    Ok(script)
}

#[tokio::test]
async fn the_readme_shows_what_happens() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let steps = steps(&std::fs::read_to_string(readme)?);
    ensure!(steps.len() >= 10, "the README's commands were not found");
    let scratch = Scratch::new()?;
    let (child, card) = shown(&scratch.path().join("d")).await?;
    let script = scratch.file("tour.sh", &script(&card, &steps)?)?;
    let output = Command::new("bash").arg(script).current_dir(scratch.path()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed: Vec<&str> = printed.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{}", String::from_utf8_lossy(&output.stderr));
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(alike(printed)?, alike(&step.expected)?, "$ {}", step.command);
    }
    let status = child.interrupt(GRACE).await;
    ensure!(status.success(), "{status}");
    Ok(())
}
