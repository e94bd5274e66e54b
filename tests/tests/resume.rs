//! A verification of a real archive that is killed goes on from where it was, and comes to the same, byte by byte.

use anyhow::{Context as _, ensure};
use nix::fcntl::{FcntlArg, fcntl};
use scenario::change::{approve, submit, wait_for};
use scenario::running::platform;
use scenario::scratch::Scratch;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NAME: &str = "resume";
/// The smallest pipe.
const PIPE: i32 = 4096;
const SEGMENTS: usize = 8;

/// An archive that a real sealer made and that grows no more.
struct Still {
    scratch: Scratch,
    program: PathBuf,
    policy: PathBuf,
}

impl Still {
    async fn new() -> anyhow::Result<Self> {
        let (platform, scratch) = (platform(NAME).await?, Scratch::new()?);
        let file = scratch.file("a.sql", "CREATE TABLE IF NOT EXISTS public.r (id bigint);\n")?;
        let change = submit(platform, NAME, &file).await?;
        wait_for(platform, &change, "pending_approval").await?;
        approve(platform, "bob", &change).await?;
        approve(platform, "cyd", &change).await?;
        wait_for(platform, &change, "applied").await?;
        let of = platform.card.data_dir.join("archive");
        let log = fs::read_dir(&of)?.next().context("a log")??.file_name();
        let (from, to) = (of.join(&log), scratch.path().join("archive").join(&log));
        // A sealer makes a segment of what came at once: enough to be killed between.
        while fs::read_dir(from.join("commits"))?.count() < SEGMENTS {
            let more = submit(platform, NAME, &file).await?;
            wait_for(platform, &more, "pending_approval").await?;
        }
        // The checkpoint first: what it seals is there by then.
        fs::create_dir_all(&to)?;
        fs::copy(from.join("checkpoint"), to.join("checkpoint"))?;
        for folder in ["checkpoints", "commits", "blobs"] {
            fs::create_dir(to.join(folder))?;
            for entry in fs::read_dir(from.join(folder))? {
                let path = entry?.path();
                let name = path.file_name().context("a name")?;
                fs::copy(&path, to.join(folder).join(name))?;
            }
        }
        let program = platform.as_somebody("auditor")?.program().to_owned();
        Ok(Self { scratch, program, policy: platform.card.verify_policy.clone() })
    }

    fn archive(&self) -> PathBuf {
        self.scratch.path().join("archive")
    }

    /// The segments in the order of the log.
    fn segments(&self) -> anyhow::Result<Vec<PathBuf>> {
        let log = fs::read_dir(self.archive())?.next().context("a log")??.path();
        let files = fs::read_dir(log.join("commits"))?;
        let mut files = files.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        files.sort();
        Ok(files)
    }

    fn verify(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["audit", "verify", "-o", "json", "--archive"]).arg(self.archive());
        command.arg("--policy").arg(&self.policy).stdin(Stdio::null());
        command
    }

    fn resuming(&self, state: &Path) -> Command {
        let mut command = self.verify();
        command.arg("--resume").arg(state).args(["--save-every", "0"]);
        command
    }

    /// Kills a verification after it kept what it verified of the first segment, and before the end: every word of it is
    /// longer than half of the pipe that nobody reads on from.
    fn killed(&self) -> anyhow::Result<PathBuf> {
        let folder =
            (0..12).fold(self.scratch.path().to_owned(), |path, _| path.join("s".repeat(250)));
        fs::create_dir_all(&folder)?;
        let state = folder.join("state");
        let (reader, writer) = std::io::pipe()?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE))?;
        let mut child = self.resuming(&state).stdout(Stdio::null()).stderr(writer).spawn()?;
        let mut told = String::new();
        let mut reader = BufReader::with_capacity(1, reader);
        while !told.contains("kept up to sequence") {
            told.clear();
            ensure!(reader.read_line(&mut told)? > 0, "it ended before it was killed");
        }
        child.kill()?;
        ensure!(child.wait()?.signal() == Some(9), "it ended before it was killed");
        ensure!(state.exists(), "nothing was kept");
        Ok(state)
    }

    /// What is said at once, and after a kill.
    fn both(&self) -> anyhow::Result<(Output, Output)> {
        let at_once = self.verify().output()?;
        let state = self.killed()?;
        let resumed = self.resuming(&state).output()?;
        let told = String::from_utf8_lossy(&resumed.stderr).into_owned();
        ensure!(told.contains("going on after sequence"), "{told}");
        ensure!(!state.exists(), "the state outlives its report");
        Ok((at_once, resumed))
    }
}

#[tokio::test]
async fn a_killed_verification_goes_on_and_says_the_same() -> anyhow::Result<()> {
    let still = Still::new().await?;
    let segments = still.segments()?;
    ensure!(segments.len() >= SEGMENTS, "only {} segments", segments.len());
    let (at_once, resumed) = still.both()?;
    assert_eq!(at_once.status.code(), Some(0), "{}", String::from_utf8_lossy(&at_once.stdout));
    assert_eq!((resumed.status.code(), resumed.stdout), (Some(0), at_once.stdout));

    // A message that nobody signed, on both sides of the cut.
    for at in [0, segments.len() - 1] {
        let text = fs::read_to_string(&segments[at])?;
        fs::write(&segments[at], text.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1))?;
    }
    let (at_once, resumed) = still.both()?;
    let told = String::from_utf8(at_once.stdout)?;
    assert_eq!(at_once.status.code(), Some(7), "{told}");
    let report: serde_json::Value = serde_json::from_str(&told)?;
    let findings = report["record"]["findings"].as_array().context("findings")?;
    let condemned = findings.iter().filter(|it| it["code"] == "hash_wrong").count();
    assert_eq!(condemned, 2, "{told}");
    assert_eq!((resumed.status.code(), String::from_utf8(resumed.stdout)?), (Some(7), told));

    // A killed one's state, under another policy.
    let state = still.killed()?;
    let text = fs::read_to_string(&still.policy)?;
    let policy = still.scratch.file("other.json", &format!("{text}\n"))?;
    let mut other = Command::new(&still.program);
    other.args(["audit", "verify", "--archive"]).arg(still.archive());
    let refused = other.arg("--policy").arg(policy).arg("--resume").arg(&state).output()?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("cli.verification_state_of_another"), "{told}");
    Ok(())
}
