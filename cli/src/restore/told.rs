//! What the archive tells of a log, place by place: what is sealed, then what follows it in segments that no checkpoint
//! names, because the sealer was killed.

use super::error::RestoreError;
use archive::{Archive, ArchiveError, Segment, lines};
use bytes::Bytes;
use ledger::Line;
use std::collections::VecDeque;

/// One sequence of the log.
#[derive(Debug)]
pub enum Place {
    /// A message.
    Message(Line),
    /// Nothing: it is lost, and the policy says so.
    Lost(u64),
}

impl Place {
    /// Which sequence.
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Message(line) => line.sequence,
            Self::Lost(sequence) => *sequence,
        }
    }
}

/// Which objects tell it.
#[derive(Debug, Clone)]
pub struct Volume {
    archive: Archive,
    segments: Vec<Segment>,
    /// Up to here it is sealed: everything must be there.
    pub sealed: u64,
    gaps: Vec<u64>,
}

impl Volume {
    /// The segments between `sizes` of checkpoints, ascending; with `unsealed` also what follows the last of them.
    pub async fn of(
        archive: &Archive,
        sizes: &[u64],
        gaps: &[u64],
        unsealed: bool,
    ) -> Result<Self, ArchiveError> {
        let before = std::iter::once(&0).chain(sizes);
        let pairs = before.zip(sizes);
        let mut segments: Vec<_> =
            pairs.filter_map(|(from, to)| Segment::new(*from, *to)).collect();
        let sealed = sizes.last().copied().unwrap_or_default();
        let stored = if unsealed { archive.stored_segments().await? } else { Vec::new() };
        let mut reached = sealed;
        let covers = |reached| move |it: &&Segment| it.from() <= reached && it.to() > reached;
        while let Some(next) = stored.iter().filter(covers(reached)).max_by_key(|it| it.to()) {
            segments.push(*next);
            reached = next.to();
        }
        Ok(Self { archive: archive.clone(), segments, sealed, gaps: gaps.to_vec() })
    }

    /// The places after a sequence.
    pub fn after(&self, sequence: u64) -> Told<'_> {
        let segments = self.segments.iter().filter(|segment| segment.to() > sequence);
        let segments = segments.copied().collect();
        Told { volume: self, segments, lines: None, ahead: None, sequence }
    }
}

/// The places of a log in order.
#[derive(Debug)]
pub struct Told<'a> {
    volume: &'a Volume,
    segments: VecDeque<Segment>,
    lines: Option<archive::Lines>,
    ahead: Option<Line>,
    /// The last one that was given.
    sequence: u64,
}

impl Told<'_> {
    /// The next place; none at the end. Beyond what is sealed the end is where nothing readable follows.
    pub async fn next(&mut self) -> Result<Option<Place>, RestoreError> {
        let next = self.sequence + 1;
        let is_sealed = next <= self.volume.sealed;
        if self.ahead.is_none() {
            self.ahead = self.read(next, is_sealed).await?;
        }
        let is_gap = self.volume.gaps.contains(&next);
        let found = self.ahead.as_ref().map(|line| line.sequence);
        let place = if found == Some(next) {
            if is_gap {
                return Err(RestoreError::GapPresent { sequence: next });
            }
            self.ahead.take().map(Place::Message)
        } else if is_sealed {
            let lost = is_gap.then_some(Place::Lost(next));
            Some(lost.ok_or(RestoreError::Missing { sequence: next })?)
        } else {
            None
        };
        self.sequence = next;
        Ok(place)
    }

    /// The next line from `next` on; none at the end.
    async fn read(&mut self, next: u64, is_sealed: bool) -> Result<Option<Line>, RestoreError> {
        loop {
            let Some(bytes) = self.lines.as_mut().and_then(Iterator::next) else {
                let Some(segment) = self.segments.pop_front() else { return Ok(None) };
                self.lines = Some(lines(self.segment(segment, next).await?));
                continue;
            };
            match Line::parse(&bytes) {
                // What two segments hold beyond the seal, or what comes before the start.
                Ok(line) if line.sequence < next => {}
                Ok(line) => return Ok(Some(line)),
                Err(_) if is_sealed => return Err(RestoreError::Damaged { sequence: next }),
                Err(_) => return Ok(None),
            }
        }
    }

    async fn segment(&self, segment: Segment, next: u64) -> Result<Bytes, RestoreError> {
        match self.volume.archive.segment(segment).await {
            Err(ArchiveError::Missing { .. }) => Err(RestoreError::Missing { sequence: next }),
            read => Ok(read?),
        }
    }
}
