//! What a forger can make of a log, with more or fewer stolen keys.

use super::log::{Log, Sealed, encode, sealed};
use super::memory::Memory;
use anyhow::Context as _;
use ledger::{CommitHash, Envelope, Head, Line, Scope};
use std::collections::BTreeMap;

impl Log {
    /// A message.
    pub fn at(&self, sequence: u64) -> anyhow::Result<&Line> {
        self.lines.get(index(sequence)?).context("the log has no such sequence")
    }

    /// The sequence of the next version of a message's aggregate.
    pub fn next_version(&self, sequence: u64) -> anyhow::Result<Option<u64>> {
        let subject = &self.at(sequence)?.subject;
        let later = self.lines.iter().filter(|line| line.sequence > sequence);
        let mut versions = later.filter(|line| line.subject == *subject);
        Ok(versions.next().map(|line| line.sequence))
    }

    /// The whole bundle with one line written anew.
    pub fn with_line(&self, sequence: u64, line: &Line) -> anyhow::Result<Memory> {
        let mut bundle = self.whole()?;
        *bundle.lines.get_mut(index(sequence)?).context("a line")? = encode(line)?;
        Ok(bundle)
    }

    /// A bundle of these messages without a checkpoint, whose manifest fits.
    pub fn bare(&self, lines: &[Line]) -> anyhow::Result<Memory> {
        let mut bundle = Memory { lines: Vec::new(), files: self.blobs.clone() };
        for (at, line) in lines.iter().enumerate() {
            let known = self.lines.get(at).filter(|known| *known == line);
            let same = known.and_then(|_| self.encoded.get(at)).cloned();
            bundle.lines.push(same.map_or_else(|| encode(line), Ok)?);
        }
        bundle.keep_named_blobs(lines.iter());
        let last = lines.last().map_or(0, |line| line.sequence);
        bundle.put("bundle.json", self.manifest(last, &Scope::Log)?);
        Ok(bundle)
    }

    /// These messages under the checkpoint that was signed over the true ones.
    pub fn under_genuine(&self, lines: &[Line]) -> anyhow::Result<Memory> {
        let mut bundle = self.bare(lines)?;
        bundle.put("checkpoint", self.note(self.head(self.size())?, 2)?.to_string());
        bundle.put("bundle.json", self.manifest(self.size(), &Scope::Log)?);
        Ok(bundle)
    }

    /// These messages sealed by the log's key: honestly, or because it was stolen.
    pub fn resealed(&self, lines: &[Line], witnesses: usize) -> anyhow::Result<(Memory, Sealed)> {
        let (mut bundle, sealed) = (self.bare(lines)?, sealed(lines)?);
        let head = sealed.heads.last().context("a head")?;
        bundle.put("checkpoint", self.note(head, witnesses)?.to_string());
        Ok((bundle, sealed))
    }

    /// One commit changed by whoever holds its writer's key, and nothing after it.
    pub fn edited(
        &self,
        sequence: u64,
        change: impl FnOnce(&mut Envelope),
    ) -> anyhow::Result<Vec<Line>> {
        let mut lines = self.lines.clone();
        let line = lines.get_mut(index(sequence)?).context("a line")?;
        let mut envelope = Envelope::parse(&line.payload)?;
        change(&mut envelope);
        *line = self.line(sequence, envelope, self.writer_at(sequence))?;
        Ok(lines)
    }

    /// Numbers all lines anew, and makes every chain good again with the writers' keys.
    pub fn relinked(&self, mut lines: Vec<Line>) -> anyhow::Result<Vec<Line>> {
        let mut heads: BTreeMap<String, Head> = BTreeMap::new();
        for (sequence, line) in (1..).zip(&mut lines) {
            line.sequence = sequence;
            let mut envelope = Envelope::parse(&line.payload)?;
            let head = heads.get(&line.subject);
            let (version, prev) =
                head.map_or((1, CommitHash::ZERO), |head| (head.version + 1, head.hash));
            let key = self.writer_at(sequence);
            let place = (envelope.version, envelope.prev, envelope.writer);
            if place != (version, prev, key.id()) {
                (envelope.version, envelope.prev) = (version, prev);
                *line = self.line(sequence, envelope, key)?;
            }
            let hash = CommitHash::of(&line.payload);
            heads.insert(line.subject.clone(), Head { version, hash });
        }
        Ok(lines)
    }
}

/// The place of a sequence among the lines.
pub fn index(sequence: u64) -> anyhow::Result<usize> {
    Ok(usize::try_from(sequence.checked_sub(1).context("sequences count from 1")?)?)
}
