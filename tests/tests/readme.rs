//! The README's ten minutes are what happens: every `console` block is run, and its output compared.

use anyhow::{Context as _, ensure};
use regex::Regex;
use scenario::Platform;
use scenario::scratch::Scratch;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

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
    ];
    let mut text = text.to_owned();
    for (pattern, name) in rules {
        text = Regex::new(pattern)?.replace_all(&text, name).into_owned();
    }
    Ok(text)
}

/// The SQL that the README shows as `cat notes.sql` stands in the folder before.
fn script(platform: &Platform, steps: &[Step]) -> anyhow::Result<String> {
    let program = platform.as_somebody("ada")?.program().to_owned();
    let bin = program.parent().context("a program without a folder")?.display();
    let mut script = format!(
        "export PATH={bin}:$PATH COUNTERSIGN_COMMAND_API={} COUNTERSIGN_QUERY_API={} dir={}\n\
         as() {{ COUNTERSIGN_TOKEN_FILE=$dir/secrets/$1.token countersign \"${{@:2}}\"; }}\n\
         cat > notes.sql <<'SQL'\n{}SQL\n",
        platform.card.command_api,
        platform.card.query_api,
        platform.card.data_dir.display(),
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
    let platform = Platform::start(&scratch.path().join("d")).await?;
    let script = scratch.file("tour.sh", &script(&platform, &steps)?)?;
    let output = Command::new("bash").arg(script).current_dir(scratch.path()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed: Vec<&str> = printed.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{}", String::from_utf8_lossy(&output.stderr));
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(alike(printed)?, alike(&step.expected)?, "$ {}", step.command);
    }
    platform.stop().await?;
    Ok(())
}
