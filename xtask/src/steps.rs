//! Steps: each says its name, how long it took, and how to repeat it when it failed.

use crate::environment;
use anyhow::{Context as _, Result, bail};
use std::io::IsTerminal as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// Runs `work` as a step; `repeat` is the command that does the same again.
pub fn step<T>(name: &str, repeat: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    eprintln!("{}", heading(&format!("== {name}")));
    let outcome = work();
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(value) => {
            eprintln!("{}", heading(&format!("== {name}: ok, {seconds:.1} s")));
            Ok(value)
        }
        Err(error) => {
            eprintln!("{error:#}");
            eprintln!("{}", heading(&format!("== {name}: FAILED, {seconds:.1} s")));
            eprintln!("   again: {repeat}");
            bail!("{name} failed")
        }
    }
}

/// Runs a program as a step, with our standard streams.
pub fn run(name: &str, command: &mut Command) -> Result<()> {
    let repeat = shown(command);
    step(name, &repeat, || succeed(&repeat, command.status()))
}

/// `cargo <words>` at the repository's root.
pub fn cargo<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(environment::cargo());
    command.args(words).current_dir(environment::root());
    for name in environment::of_this_package() {
        command.env_remove(name);
    }
    command
}

/// What a program prints on standard output, which must be UTF-8; it must succeed.
pub fn printed(command: &mut Command) -> Result<String> {
    let repeat = shown(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {repeat}"))?;
    succeed(&repeat, Ok(output.status))?;
    String::from_utf8(output.stdout).with_context(|| format!("{repeat} printed no UTF-8"))
}

fn succeed(repeat: &str, status: std::io::Result<ExitStatus>) -> Result<()> {
    let status = status.with_context(|| format!("cannot run {repeat}"))?;
    if status.success() { Ok(()) } else { bail!("{repeat}: {status}") }
}

/// The command as one types it in a shell at the repository's root.
pub fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_str()?, quoted(value?.to_str()?)))
    });
    let program = command.get_program().to_string_lossy();
    let is_cargo = program == environment::cargo();
    let program = if is_cargo { "cargo".to_owned() } else { quoted(&program) };
    let words = command.get_args().map(|word| quoted(&word.to_string_lossy()));
    set.chain(std::iter::once(program)).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn heading(text: &str) -> String {
    let wanted = std::io::stderr().is_terminal() && environment::variable("NO_COLOR").is_none();
    if wanted { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let mut command = cargo(["test", "--", "it's here"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        let expected = r"RUSTDOCFLAGS='-D warnings' cargo test -- 'it'\''s here'";
        assert_eq!(shown(&command), expected);
    }

    #[test]
    fn a_step_whose_program_fails_fails() {
        assert!(run("true", &mut Command::new("true")).is_ok());
        assert!(run("false", &mut Command::new("false")).is_err());
        assert!(run("absent", &mut Command::new("/nowhere/absent")).is_err());
    }

    #[test]
    fn what_a_failing_program_printed_is_not_taken() {
        let mut command = Command::new("sh");
        assert_eq!(printed(command.args(["-c", "printf yes"])).unwrap(), "yes");
        let mut command = Command::new("sh");
        assert!(printed(command.args(["-c", "printf yes; exit 3"])).is_err());
    }
}
