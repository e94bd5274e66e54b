//! The `countersign` command as a child process.

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// The command line as one person.
#[derive(Debug, Clone)]
pub struct CommandLine {
    program: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a call printed and how it ended.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The exit code.
    pub code: i32,
    /// Data.
    pub out: String,
    /// Talk and errors.
    pub err: String,
}

impl Answered {
    /// The code of the problem that ended it: the last words in parentheses.
    pub fn refusal(&self) -> Option<String> {
        let (_, after) = self.err.trim_end().rsplit_once('(')?;
        after.strip_suffix(')').map(str::to_owned)
    }
}

impl CommandLine {
    /// Against these APIs, with this token.
    pub fn new(program: PathBuf, command_api: &str, query_api: &str, token: &str) -> Self {
        let variables = vec![
            ("COUNTERSIGN_COMMAND_API", command_api.to_owned()),
            ("COUNTERSIGN_QUERY_API", query_api.to_owned()),
            ("COUNTERSIGN_TOKEN", token.to_owned()),
        ];
        Self { program, variables }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Calls it, whatever the exit code.
    pub async fn call(&self, arguments: &[&str]) -> anyhow::Result<Answered> {
        let output = Command::new(&self.program)
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("countersign {}", arguments.join(" ")))?;
        Ok(Answered {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Calls it and expects success.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Answered> {
        let answered = self.call(arguments).await?;
        if answered.code != 0 {
            bail!(
                "countersign {} ended with {}:\n{}",
                arguments.join(" "),
                answered.code,
                answered.err
            );
        }
        Ok(answered)
    }

    /// Calls it with `-o json` and reads what it printed.
    pub async fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> anyhow::Result<T> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let answered = self.run(&arguments).await?;
        serde_json::from_str(&answered.out)
            .with_context(|| format!("countersign {} printed no such JSON", arguments.join(" ")))
    }
}
