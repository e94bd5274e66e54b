//! What became of each migration, and of all together.

use std::fmt;

/// What became of one migration on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both applied it, and the schemas are equal.
    Equal,
    /// Both refused it with an error of the database, and the schemas are equal.
    FailedAlike {
        /// The SQLSTATE that the platform told.
        code: String,
    },
    /// The platform refuses it by name; applied with `psql` to both.
    Skipped {
        /// The name.
        code: String,
    },
    /// The platform refuses it by name, and nobody asked to skip it.
    Refused {
        /// The name.
        code: String,
    },
    /// The file holds no statement.
    Empty,
    /// One side applied it and the other did not, or what came of it differs.
    Differs {
        /// How.
        how: String,
    },
}

impl Verdict {
    /// Whether both sides are the same afterwards, as far as they were asked to be.
    pub fn holds(&self) -> bool {
        match self {
            Self::Equal | Self::FailedAlike { .. } | Self::Skipped { .. } => true,
            Self::Refused { .. } | Self::Empty | Self::Differs { .. } => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("equal"),
            Self::FailedAlike { code } => write!(f, "failed alike ({code})"),
            Self::Skipped { code } => write!(f, "skipped: refused as {code}, applied with psql"),
            Self::Refused { code } => write!(f, "REFUSED as {code} (--skip-refused goes on)"),
            Self::Empty => f.write_str("EMPTY: no statement in the file (--skip-refused goes on)"),
            Self::Differs { how } => write!(f, "DIFFERS: {how}"),
        }
    }
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Verdicts so far.
    pub files: usize,
    /// Applied by both, equal.
    pub equal: usize,
    /// Failed on both, equal.
    pub failed_alike: usize,
    /// Refused by the platform and skipped.
    pub skipped: usize,
    /// Everything that makes the run fail.
    pub bad: usize,
}

impl Summary {
    /// Counts one.
    pub fn count(&mut self, verdict: &Verdict) {
        self.files += 1;
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::FailedAlike { .. } => self.failed_alike += 1,
            Verdict::Skipped { .. } => self.skipped += 1,
            Verdict::Refused { .. } | Verdict::Empty | Verdict::Differs { .. } => self.bad += 1,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, equal, failed_alike, skipped, bad } = self;
        write!(
            f,
            "{files} files: {equal} equal, {failed_alike} failed alike, {skipped} skipped, {bad} bad"
        )
    }
}

/// Where two dumps part, as one line; none if they are equal.
pub fn first_difference(ours: &str, theirs: &str) -> Option<String> {
    let (mut one, mut other) = (ours.lines(), theirs.lines());
    let mut line = 0;
    loop {
        line += 1;
        match (one.next(), other.next()) {
            (None, None) => return None,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                let (ours, theirs) = (ours.unwrap_or("(end)"), theirs.unwrap_or("(end)"));
                return Some(format!("line {line} of the dump: ours {ours:?}, psql's {theirs:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differing_line_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let seen = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert_eq!(seen, "line 2 of the dump: ours \"b\", psql's \"c\"");
        assert!(first_difference("a\n", "a\nb\n").unwrap().contains("(end)"));
    }

    #[test]
    fn only_what_is_equal_or_was_asked_to_be_skipped_holds() {
        let code = || "changes.sql_not_transactional".to_owned();
        let held = [
            Verdict::Equal,
            Verdict::FailedAlike { code: code() },
            Verdict::Skipped { code: code() },
        ];
        assert!(held.iter().all(Verdict::holds));
        let bad =
            [Verdict::Refused { code: code() }, Verdict::Empty, Verdict::Differs { how: code() }];
        assert!(!bad.iter().any(Verdict::holds));
        let mut summary = Summary::default();
        held.iter().chain(&bad).for_each(|verdict| summary.count(verdict));
        assert_eq!(summary.to_string(), "6 files: 1 equal, 1 failed alike, 1 skipped, 3 bad");
    }
}
