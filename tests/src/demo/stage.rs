//! What the audience sees: each step with the time, and at the end a table of promises.
#![expect(clippy::print_stdout, reason = "a demo is there to be watched")]

use std::process::ExitCode;
use std::time::Instant;

/// Collects what was promised and seen.
#[derive(Debug)]
pub struct Stage {
    started: Instant,
    promises: Vec<Promise>,
    broken_off: bool,
}

/// Shows something that belongs to the step before.
pub fn note(what: &str) {
    for line in what.lines() {
        println!("           | {line}");
    }
}

#[derive(Debug)]
struct Promise {
    promised: String,
    seen: String,
    held: bool,
}

impl Stage {
    /// The curtain rises.
    pub fn new() -> Self {
        Self { started: Instant::now(), promises: Vec::new(), broken_off: false }
    }

    /// Something happens.
    pub fn step(&self, what: &str) {
        println!("{:>7.2} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// A promise, and what was seen of it.
    pub fn promise(&mut self, promised: &str, seen: impl Into<String>, held: bool) {
        let seen = seen.into();
        let mark = if held { "held" } else { "BROKEN" };
        println!("           {mark}: {promised}");
        if !held {
            println!("           seen: {seen}");
        }
        self.promises.push(Promise { promised: promised.to_owned(), seen, held });
    }

    /// The demo could not go on.
    pub fn broke_off(&mut self, error: &anyhow::Error) {
        self.broken_off = true;
        println!("{:>7.2} s  broke off: {error:#}", self.started.elapsed().as_secs_f64());
    }

    /// The table; success only if every promise held.
    pub fn curtain(&self) -> ExitCode {
        println!("\n{:<6}  {:<66}  seen", "held", "promised");
        for Promise { promised, seen, held } in &self.promises {
            let mark = if *held { "yes" } else { "NO" };
            let seen = seen.lines().next().unwrap_or_default();
            println!("{mark:<6}  {promised:<66}  {seen}");
        }
        let held = self.promises.iter().filter(|promise| promise.held).count();
        let all = self.promises.len();
        let seconds = self.started.elapsed().as_secs_f64();
        let complete = if self.broken_off { "; it broke off" } else { "" };
        println!("\n{held} of {all} promises held in {seconds:.1} s{complete}");
        if held == all && !self.broken_off { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
