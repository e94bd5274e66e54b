//! Where a commit and a blob live: their subjects in the streams of a shard.

use crate::commit::AggregateRef;
use crate::name::{IdText, Slug, Word};
use std::fmt;
use std::str::FromStr;
use trust::encoding::Sha256Digest;

/// Not `cs.log.<shard>.<tenant>.<aggregate type>.<aggregate id>` of valid names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a log subject: cs.log.<shard>.<tenant>.<aggregate type>.<aggregate id>")]
pub struct SubjectError;

/// The subject of one aggregate's commits: `cs.log.<shard>.<tenant>.<aggregate type>.<aggregate id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The shard of the log.
    pub shard: Slug,
    /// The tenant that owns the aggregate.
    pub tenant: Slug,
    /// The aggregate.
    pub aggregate: AggregateRef,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AggregateRef { kind, id } = &self.aggregate;
        write!(f, "cs.log.{}.{}.{kind}.{id}", self.shard, self.tenant)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(SubjectError);
        if (next()?, next()?) != ("cs", "log") {
            return Err(SubjectError);
        }
        let shard: Slug = next()?.parse().map_err(|_| SubjectError)?;
        let tenant: Slug = next()?.parse().map_err(|_| SubjectError)?;
        let kind: Word = next()?.parse().map_err(|_| SubjectError)?;
        let id: IdText = next()?.parse().map_err(|_| SubjectError)?;
        if parts.next().is_some() {
            return Err(SubjectError);
        }
        Ok(Self { shard, tenant, aggregate: AggregateRef { kind, id } })
    }
}

/// The subject of a blob's one message: `cs.blob.<shard>.<tenant>.<sha256>`.
pub fn blob_subject(shard: &Slug, tenant: &Slug, sha256: &Sha256Digest) -> String {
    format!("cs.blob.{shard}.{tenant}.{sha256}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_comes_back_from_its_text() {
        let text = "cs.log.main.acme.change.chg_01h455vb4pex5vsknk084sn02q";
        assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        for wrong in [
            "cs.log.main.acme.change",
            "cs.log.main.acme.change.chg_01h455vb4pex5vsknk084sn02q.more",
            "cs.log.main.acme.change.>",
            "cs.log.main.*.change.chg_01h455vb4pex5vsknk084sn02q",
            "cs.blob.main.acme.change.chg_01h455vb4pex5vsknk084sn02q",
            "",
        ] {
            assert_eq!(wrong.parse::<Subject>(), Err(SubjectError), "{wrong}");
        }
    }
}
