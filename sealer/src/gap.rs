//! A sequence that the log lost: when it becomes a gap leaf, and when it must not.
//!
//! Only after the leader has said that the message is lost, the archive lacks it too, and both said so again once the
//! patience was over. Source: PROTOCOL.md section 1, "Tree".

use archive::{Archive, ArchiveError, lines};
use event_log::{LogError, Reader};
use ledger::{Line, LineError};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long the leader is given to find a message again.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Sequences that may be lost in one place. More is no accident that leaves are made of.
pub const MOST_LOST: u64 = 10_000;

/// Why it is not known whether a message is lost.
#[derive(Debug, thiserror::Error)]
pub enum GapError {
    /// The leader did not say.
    #[error("the leader does not say whether sequences are lost")]
    Log(#[from] LogError),
    /// The archive did not say.
    #[error("the archive does not say whether it holds lost sequences")]
    Archive(#[from] ArchiveError),
    /// What the archive holds is no line, and may be what is lost.
    #[error("segment {from}-{to} of the archive holds a line that cannot be read")]
    Line {
        /// Where the segment begins.
        from: u64,
        /// Where it ends.
        to: u64,
        /// What is wrong.
        source: LineError,
    },
}

impl GapError {
    /// Asking again can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log(error) => error.is_transient(),
            Self::Archive(error) => matches!(error, ArchiveError::Store { .. }),
            Self::Line { .. } => false,
        }
    }
}

/// Where sequences that did not come were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The first one that the leader holds.
    pub held: Option<u64>,
    /// The first one that the archive holds, in a segment that is not sealed.
    pub archived: Option<u64>,
}

/// What to do about sequences that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The leader has some of them: the log is followed again.
    Follow,
    /// The archive has this one: nothing is sealed before the log is restored.
    Restore(u64),
    /// They may be found again within this time.
    Wait(Duration),
    /// They are lost.
    Leaf,
}

/// Decides by what was answered when `elapsed` had passed since the gap was met.
pub fn decide(asked: Asked, elapsed: Duration, patience: Duration) -> Next {
    match asked {
        Asked { held: Some(_), .. } => Next::Follow,
        Asked { archived: Some(sequence), .. } => Next::Restore(sequence),
        Asked { held: None, archived: None } => match patience.saturating_sub(elapsed) {
            Duration::ZERO => Next::Leaf,
            left => Next::Wait(left),
        },
    }
}

/// Asks the leader and the archive for each of them.
pub async fn ask(
    log: &Reader,
    archive: &Archive,
    lost: &RangeInclusive<u64>,
) -> Result<Asked, GapError> {
    for sequence in lost.clone() {
        if log.is_held(sequence).await? {
            return Ok(Asked { held: Some(sequence), archived: None });
        }
    }
    Ok(Asked { held: None, archived: archived(archive, lost).await? })
}

/// The first of them that any segment of the archive holds.
async fn archived(archive: &Archive, lost: &RangeInclusive<u64>) -> Result<Option<u64>, GapError> {
    for segment in archive.stored_segments().await? {
        let (from, to) = (segment.from(), segment.to());
        if from >= *lost.end() || to < *lost.start() {
            continue;
        }
        for line in lines(archive.segment(segment).await?) {
            let line = Line::parse(&line).map_err(|source| GapError::Line { from, to, source })?;
            if lost.contains(&line.sequence) {
                return Ok(Some(line.sequence));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use archive::{ObjectName, Segment};
    use ledger::Stored;
    use trust::encoding::Timestamp;

    #[test]
    fn a_leaf_is_made_only_after_the_patience() {
        let lost = Asked::default();
        for (seconds, next) in [
            (0, Next::Wait(PATIENCE)),
            (59, Next::Wait(Duration::from_secs(1))),
            (60, Next::Leaf),
            (600, Next::Leaf),
        ] {
            assert_eq!(decide(lost, Duration::from_secs(seconds), PATIENCE), next);
        }
    }

    #[test]
    fn what_anybody_holds_is_never_a_leaf() {
        for elapsed in [Duration::ZERO, PATIENCE, PATIENCE * 9] {
            let held = Asked { held: Some(7), archived: None };
            assert_eq!(decide(held, elapsed, PATIENCE), Next::Follow);
            let archived = Asked { held: None, archived: Some(7) };
            assert_eq!(decide(archived, elapsed, PATIENCE), Next::Restore(7));
        }
    }

    #[tokio::test]
    async fn a_segment_that_no_checkpoint_names_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::in_folder(folder.path(), &"sealed.log".parse().unwrap()).unwrap();
        let time: Timestamp = "2026-11-20T07:00:00.000000Z".parse().unwrap();
        let line = |sequence| {
            let (hash, signature) = (None, None);
            let stored = Stored { sequence, subject: "cs.log", hash, signature, payload: b"x" };
            Line::of(&stored, time).encode().unwrap()
        };
        let name = ObjectName::Commits(Segment::new(3, 6).unwrap());
        let bytes = [line(4), line(6)].concat();
        archive.put_once(&name, bytes.into()).await.unwrap();
        for (lost, found) in [(4..=4, Some(4)), (5..=5, None), (5..=6, Some(6)), (7..=9, None)] {
            assert_eq!(archived(&archive, &lost).await.unwrap(), found, "{lost:?}");
        }
        let name = ObjectName::Commits(Segment::new(6, 8).unwrap());
        archive.put_once(&name, "no line\n".into()).await.unwrap();
        assert!(archived(&archive, &(8..=8)).await.is_err(), "what cannot be read may be it");
    }
}
