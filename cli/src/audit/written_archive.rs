//! Test archives: a test log in segments under a checkpoint, and what is said about it however it is read.

use super::archived::{self, Asked, Resumed, Verified};
use super::directory::Directory;
use super::export::{Wanted, export};
use super::origin::CopiedFrom;
use super::stand::Stand;
use super::testimony::key;
use super::verify::verify;
use super::{report, testimony};
use crate::error::CliError;
use crate::output::{Format, Output};
use anyhow::{Context as _, ensure};
use archive::{Archive, ObjectName, Segment};
use ledger::{Checkpoint, CommitHash, IdText, Kept, Line, Origin, Policy, Scope, Slug, Tree};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trust::encoding::Sha256Digest;

/// Lines of a segment.
const SEGMENT: usize = 4;
/// The testimony's log.
const LINES: usize = 12;
const SEALED_AT: u64 = 1_795_158_100;

struct Written {
    folder: tempfile::TempDir,
    archive: Archive,
    origin: Origin,
    shard: Slug,
    policy: Policy,
    output: Output,
}

impl Written {
    async fn new() -> anyhow::Result<Self> {
        let stand = Stand::new(|_| {})?;
        let (folder, origin): (_, Origin) = (tempfile::tempdir()?, "a.b".parse()?);
        let archive = Archive::in_folder(folder.path(), &origin)?;
        let bytes = fs::read(stand.path().join("commits.ndjson"))?;
        let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let (mut tree, mut note) = (Tree::empty(), Vec::new());
        for segment in lines.chunks(SEGMENT) {
            let from = tree.size();
            for line in segment {
                let line = Line::parse(line)?;
                tree.push(line.sequence, &CommitHash::of(&line.payload))?;
            }
            let name = ObjectName::Commits(Segment::new(from, tree.size()).context("empty")?);
            archive.put_once(&name, segment.concat().into()).await?;
            let sealed = Checkpoint::new(origin.clone(), &tree.head());
            note = sealed.seal(&key("log"), SEALED_AT)?.to_string().into_bytes();
            let name = ObjectName::Note { size: tree.size() };
            archive.put_once(&name, note.clone().into()).await?;
        }
        archive.replace_checkpoint(note.into()).await?;
        for entry in fs::read_dir(stand.path().join("blobs"))? {
            let bytes = fs::read(entry?.path())?;
            let name = ObjectName::Blob(Sha256Digest::of(&bytes));
            archive.put_once(&name, bytes.into()).await?;
        }
        let mut policy = stand.policy;
        policy.logs.first_mut().context("a log")?.keys = vec![key("log").public().into()];
        let (shard, output) = ("main".parse()?, Output::new(Format::Json));
        Ok(Self { folder, archive, origin, shard, policy, output })
    }

    fn segment(&self, line: usize) -> PathBuf {
        let from = line / SEGMENT * SEGMENT;
        let name = format!("a.b/commits/{from:020}-{:020}.ndjson", from + SEGMENT);
        self.folder.path().join(name)
    }

    /// Changes a line, or takes it out.
    fn edit(&self, line: usize, change: impl FnOnce(&str) -> String) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.segment(line))?;
        let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
        let place = lines.get_mut(line % SEGMENT).context("a line")?;
        *place = change(place);
        Ok(fs::write(self.segment(line), lines.concat())?)
    }

    fn asked<'a>(&'a self, aggregate: Option<&'a IdText>) -> Asked<'a> {
        let (origin, shard, policy) = (&self.origin, &self.shard, &self.policy);
        Asked { origin, shard, policy, kept: Kept::default(), aggregate }
    }

    /// What is said of it segment by segment.
    async fn read(&self) -> anyhow::Result<Value> {
        let read = archived::verify(&self.archive, self.asked(None), None, &self.output).await?;
        report::value(&read.conclusion)
    }

    /// What is said of an export of it.
    async fn exported(&self) -> anyhow::Result<Value> {
        let (folder, scope) = (tempfile::tempdir()?, Scope::Log);
        let wanted = Wanted { origin: &self.origin, scope: &scope };
        let from = CopiedFrom::Archive(self.archive.clone());
        export(&from, &self.output, wanted, folder.path()).await?;
        let source = Directory::new(folder.path());
        report::value(&verify(&source, &self.policy, &self.shard, &Kept::default())?)
    }

    async fn resumed<'a>(&'a self, path: &'a Path) -> Result<Verified<'a>, CliError> {
        let policy = Sha256Digest::of(b"policy");
        let resumed = Resumed { path, every: Duration::ZERO, policy };
        archived::verify(&self.archive, self.asked(None), Some(resumed), &self.output).await
    }

    /// Fails where `segment` should be, and goes on once it is there.
    async fn interrupted(&self, segment: usize) -> anyhow::Result<Value> {
        let (folder, away) = (tempfile::tempdir()?, self.segment(segment).with_extension("away"));
        let path = folder.path().join("state");
        fs::rename(self.segment(segment), &away)?;
        let code = self.resumed(&path).await.err().context("it is not there")?.code().to_owned();
        ensure!(code == "cli.archive_unreadable" && path.exists(), "{code}");
        fs::rename(&away, self.segment(segment))?;
        let Verified { conclusion, keeper, .. } = self.resumed(&path).await?;
        keeper.context("it keeps it")?.finish()?;
        ensure!(fs::read_dir(folder.path())?.next().is_none(), "something is left");
        report::value(&conclusion)
    }
}

/// Every line, by every kind of damage that an archive's reader reads on after.
fn damages(line: &str) -> Vec<String> {
    let unsigned = line.replacen("\"signature\":\"", "\"signature\":\"f", 1);
    let rewritten = line.replacen("\"payload\":\"ey", "\"payload\":\"ez", 1);
    vec![unsigned, rewritten, String::new()]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_judged_as_an_export_of_it_is() {
    let written = Written::new().await.unwrap();
    let whole = written.read().await.unwrap();
    assert_eq!((&whole["verdict"], &whole["record"]["commits"]), (&"intact".into(), &12.into()));
    assert_eq!(written.exported().await.unwrap(), whole);
    for line in 0..LINES {
        let text = fs::read_to_string(written.segment(line)).unwrap();
        for n in 0..3 {
            // An export of a log whose last line is not there is an error.
            if (line, n) == (LINES - 1, 2) {
                continue;
            }
            written.edit(line, |line| damages(line).swap_remove(n)).unwrap();
            let read = written.read().await.unwrap();
            assert_ne!(read["verdict"], "intact", "line {line}, damage {n}");
            assert_eq!(written.exported().await.unwrap(), read, "line {line}, damage {n}");
            fs::write(written.segment(line), &text).unwrap();
        }
    }
    for entry in fs::read_dir(written.folder.path().join("a.b/blobs")).unwrap() {
        let (path, away) = (entry.unwrap().path(), written.folder.path().join("away"));
        fs::rename(&path, &away).unwrap();
        let read = written.read().await.unwrap();
        assert_ne!(read["verdict"], "intact");
        assert_eq!(written.exported().await.unwrap(), read);
        fs::rename(&away, &path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lacks_its_end_is_incomplete() {
    let written = Written::new().await.unwrap();
    written.edit(LINES - 1, |_| String::new()).unwrap();
    let read = written.read().await.unwrap();
    assert_eq!(read["verdict"], "incomplete", "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_on_with_comes_to_the_same() {
    let written = Written::new().await.unwrap();
    let whole = written.read().await.unwrap();
    for segment in [0, 4, 8] {
        assert_eq!(written.interrupted(segment).await.unwrap(), whole, "{segment}");
    }
    // Findings on both sides of each cut, of lines and of what they say.
    for line in [2, 5, 7, 10] {
        written.edit(line, |line| damages(line).swap_remove(line.len() % 2)).unwrap();
    }
    written.edit(6, |_| String::new()).unwrap();
    let damaged = written.read().await.unwrap();
    assert_eq!(damaged["verdict"], "tampered", "{damaged}");
    for segment in [4, 8] {
        assert_eq!(written.interrupted(segment).await.unwrap(), damaged, "{segment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_something_else_is_refused() {
    let mut written = Written::new().await.unwrap();
    let (folder, away) = (tempfile::tempdir().unwrap(), written.segment(8).with_extension("away"));
    let path = folder.path().join("state");
    fs::rename(written.segment(8), &away).unwrap();
    written.resumed(&path).await.err().unwrap();
    fs::rename(&away, written.segment(8)).unwrap();
    let state = fs::read(&path).unwrap();
    let told = async |written: &Written, asked: Asked<'_>, policy: &[u8]| {
        let policy = Sha256Digest::of(policy);
        let resumed = Resumed { path: &path, every: Duration::ZERO, policy };
        let ended = archived::verify(&written.archive, asked, Some(resumed), &written.output);
        ended.await.err().map(|error| error.told()).unwrap_or_default()
    };
    let named = "cli.verification_state_of_another";
    let is_of_another = |told: &str, what: &str| told.contains(named) && told.contains(what);
    let asked = written.asked(None);
    let found = told(&written, asked, b"other").await;
    assert!(is_of_another(&found, "the policy file differs"), "{found}");
    let id: IdText = testimony::change_id().to_string().parse().unwrap();
    let found = told(&written, written.asked(Some(&id)), b"policy").await;
    assert!(is_of_another(&found, "the aggregate differs"), "{found}");
    let shard: Slug = "other".parse().unwrap();
    let found = told(&written, Asked { shard: &shard, ..asked }, b"policy").await;
    assert!(is_of_another(&found, "the shard differs"), "{found}");
    let log = &written.policy.logs[0];
    let note = written.archive.newest_checkpoint().await.unwrap().unwrap();
    let note = ledger::CheckpointNote::parse(&note).unwrap().verify(log).unwrap();
    let kept = Kept { checkpoints: std::slice::from_ref(&note), ..Kept::default() };
    let found = told(&written, Asked { kept, ..asked }, b"policy").await;
    assert!(is_of_another(&found, "what it is held against differs"), "{found}");

    // Any byte, any cut: never gone on with.
    for at in (0..state.len()).step_by(97) {
        let mut edited = state.clone();
        edited[at] ^= 1;
        for bytes in [edited.as_slice(), &state[..at]] {
            fs::write(&path, bytes).unwrap();
            let code = written.resumed(&path).await.err().map(|error| error.code().to_owned());
            assert_eq!(code.as_deref(), Some("cli.verification_state_damaged"), "byte {at}");
        }
    }
    fs::write(&path, &state).unwrap();

    // Another history under the same key.
    let other = Checkpoint::new(written.origin.clone(), &{
        let mut tree = Tree::empty();
        for sequence in 1..=12 {
            tree.push(sequence, &CommitHash::of(b"other")).unwrap();
        }
        tree.head()
    });
    let fork = other.seal(&key("log"), SEALED_AT).unwrap().to_string().into_bytes();
    let checkpoint = written.folder.path().join("a.b/checkpoint");
    let own = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, fork).unwrap();
    let found = told(&written, written.asked(None), b"policy").await;
    assert!(is_of_another(&found, "the checkpoint of the archive differs"), "{found}");
    fs::write(&checkpoint, own).unwrap();

    // And the same policy file that says something else: what is held against it is another.
    written.policy.logs[0].keys = vec![key("other").public().into()];
    let found = told(&written, written.asked(None), b"policy").await;
    assert!(is_of_another(&found, "differs"), "{found}");
}
