//! Every subject, stream, account, bucket, durable and inbox name of PROTOCOL.md sections 1 and 4.
//!
//! A segment reaches a subject only after it matched its rule here, so that a `.`, `*` or `>` from
//! a SPIFFE path, an HTTP path or a database row never widens a subject.

use std::fmt;

/// Account of the log: command-api appends, the sealer reads.
pub const ACCOUNT_LOG: &str = "LOG";
/// Account of the control plane: followers of the mirrored log, jobs, results, positions.
pub const ACCOUNT_CONTROL: &str = "CTL";
/// Account of the agents: the mirrored jobs and nothing else.
pub const ACCOUNT_AGENTS: &str = "AGENTS";
/// Account of the server's own events.
pub const ACCOUNT_SYSTEM: &str = "SYS";

/// Stream of signed jobs; its mirror in the AGENTS account carries the same name.
pub const STREAM_JOBS: &str = "CS_JOBS";
/// Stream of signed results and unsigned hints.
pub const STREAM_RESULTS: &str = "CS_RESULTS";
/// Key-value bucket of the workflows' positions.
pub const BUCKET_POSITIONS: &str = "CS_POSITIONS";
/// Stream behind [`BUCKET_POSITIONS`].
pub const STREAM_POSITIONS: &str = "KV_CS_POSITIONS";
/// Durable consumer by which the workflows take in results.
pub const DURABLE_RESULTS: &str = "workflows";

/// Where a mirror in CTL calls the LOG account's consumer API.
pub const LOG_API_PREFIX: &str = "log.API";
/// Where LOG delivers to the mirrors in CTL.
pub const LOG_DELIVERY_PREFIX: &str = "mirror.ctl";
/// Where the mirror in AGENTS calls the CTL account's consumer API.
pub const CONTROL_API_PREFIX: &str = "ctl.API";
/// Where CTL delivers to the mirror in AGENTS.
pub const CONTROL_DELIVERY_PREFIX: &str = "mirror.agents";

/// Subjects of every job.
pub const ALL_JOBS: &str = "cs.jobs.>";
/// Subjects of every result.
pub const ALL_RESULTS: &str = "cs.results.>";

/// A name that must not reach a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A tenant, agent, shard or service that breaks `^[a-z0-9][a-z0-9-]{0,62}$`.
    #[error("{what} {value:?} is not a slug (^[a-z0-9][a-z0-9-]{{0,62}}$)")]
    NotASlug {
        /// Which segment.
        what: &'static str,
        /// The refused text.
        value: String,
    },
    /// An aggregate type that breaks `^[a-z][a-z0-9_]{0,62}$`.
    #[error("aggregate type {value:?} is not snake case (^[a-z][a-z0-9_]{{0,62}}$)")]
    NotAnAggregateType {
        /// The refused text.
        value: String,
    },
    /// An id that is not `TypeID` text (`prefix_` and 26 base32 characters).
    #[error("{what} {value:?} is not a TypeID")]
    NotATypeId {
        /// Which segment.
        what: &'static str,
        /// The refused text.
        value: String,
    },
    /// A digest that is not 64 lower-case hex characters.
    #[error("digest {value:?} is not 64 lower-case hex characters")]
    NotADigest {
        /// The refused text.
        value: String,
    },
    /// A position name that breaks `^[a-z0-9][a-z0-9_-]{0,62}$`.
    #[error("position name {value:?} does not match ^[a-z0-9][a-z0-9_-]{{0,62}}$")]
    NotAPositionName {
        /// The refused text.
        value: String,
    },
    /// A received subject that has not the shape of its stream.
    #[error("subject {subject:?} is not a {expected} subject")]
    WrongShape {
        /// The refused subject.
        subject: String,
        /// The shape that was expected.
        expected: &'static str,
    },
}

/// What a message on a results subject is. Only [`ResultKind::Result`] is signed and decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultKind {
    /// The agent has pulled the job (hint).
    Claimed,
    /// The job is under way (hint).
    Progress,
    /// The signed outcome.
    Result,
}

impl ResultKind {
    /// The last segment of the subject.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Progress => "progress",
            Self::Result => "result",
        }
    }
}

impl fmt::Display for ResultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The parts of a log subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSubject<'a> {
    /// Shard of the log.
    pub shard: &'a str,
    /// Tenant slug.
    pub tenant: &'a str,
    /// Aggregate type in snake case.
    pub aggregate_type: &'a str,
    /// Aggregate id as `TypeID` text.
    pub id: &'a str,
}

/// The parts of a results subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultSubject<'a> {
    /// Tenant slug.
    pub tenant: &'a str,
    /// Agent name.
    pub agent: &'a str,
    /// Job id as `TypeID` text.
    pub job: &'a str,
    /// What the message is.
    pub kind: ResultKind,
}

/// `cs.log.<shard>.<tenant>.<aggregate type>.<id>`.
pub fn log(shard: &str, tenant: &str, aggregate_type: &str, id: &str) -> Result<String, NameError> {
    let shard = slug("shard", shard)?;
    let tenant = slug("tenant", tenant)?;
    let aggregate_type = snake_case(aggregate_type)?;
    let id = type_id("aggregate id", id)?;
    Ok(format!("cs.log.{shard}.{tenant}.{aggregate_type}.{id}"))
}

/// `cs.log.<shard>.>`: every commit of a shard.
pub fn log_all(shard: &str) -> Result<String, NameError> {
    Ok(format!("cs.log.{}.>", slug("shard", shard)?))
}

/// `cs.log.<shard>.system.gap.stand-in`: where a rebuilt log is to have lost a message, until it is taken out.
pub fn log_stand_in(shard: &str) -> Result<String, NameError> {
    Ok(format!("cs.log.{}.system.gap.stand-in", slug("shard", shard)?))
}

/// Whether a message of the shard's log can have this subject, whatever it says.
pub fn is_of_log(shard: &str, subject: &str) -> bool {
    let prefix = format!("cs.log.{shard}.");
    let is_word = |word: &str| {
        let is_plain = |char: char| !char.is_whitespace() && !char.is_control();
        !word.is_empty() && !["*", ">"].contains(&word) && word.chars().all(is_plain)
    };
    subject.strip_prefix(&prefix).is_some_and(|rest| rest.split('.').all(is_word))
}

/// `cs.blob.<shard>.<tenant>.<sha256>`.
pub fn blob(shard: &str, tenant: &str, sha256: &str) -> Result<String, NameError> {
    let is_digest = sha256.len() == 64
        && sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !is_digest {
        return Err(NameError::NotADigest { value: sha256.to_owned() });
    }
    Ok(format!("cs.blob.{}.{}.{sha256}", slug("shard", shard)?, slug("tenant", tenant)?))
}

/// `cs.blob.<shard>.>`: every blob of a shard.
pub fn blob_all(shard: &str) -> Result<String, NameError> {
    Ok(format!("cs.blob.{}.>", slug("shard", shard)?))
}

/// `cs.checkpoints.<shard>`: the sealer's checkpoints of a shard.
pub fn checkpoints(shard: &str) -> Result<String, NameError> {
    Ok(format!("cs.checkpoints.{}", slug("shard", shard)?))
}

/// `cs.jobs.<tenant>.<agent>.<job>`.
pub fn job(tenant: &str, agent: &str, job: &str) -> Result<String, NameError> {
    let job = type_id("job", job)?;
    Ok(format!("cs.jobs.{}.{}.{job}", slug("tenant", tenant)?, slug("agent", agent)?))
}

/// `cs.jobs.<tenant>.<agent>.>`: what an agent's durable delivers.
pub fn jobs_of(tenant: &str, agent: &str) -> Result<String, NameError> {
    Ok(format!("cs.jobs.{}.{}.>", slug("tenant", tenant)?, slug("agent", agent)?))
}

/// `cs.results.<tenant>.<agent>.<job>.<kind>`.
pub fn result(tenant: &str, agent: &str, job: &str, kind: ResultKind) -> Result<String, NameError> {
    let job = type_id("job", job)?;
    Ok(format!("cs.results.{}.{}.{job}.{kind}", slug("tenant", tenant)?, slug("agent", agent)?))
}

/// `cs.results.<tenant>.<agent>.>`: what an agent may publish.
pub fn results_of(tenant: &str, agent: &str) -> Result<String, NameError> {
    Ok(format!("cs.results.{}.{}.>", slug("tenant", tenant)?, slug("agent", agent)?))
}

/// `CS_LOG_<shard>`.
pub fn log_stream(shard: &str) -> Result<String, NameError> {
    Ok(format!("CS_LOG_{}", slug("shard", shard)?))
}

/// `CS_BLOBS_<shard>`.
pub fn blobs_stream(shard: &str) -> Result<String, NameError> {
    Ok(format!("CS_BLOBS_{}", slug("shard", shard)?))
}

/// `CS_CHECKPOINTS_<shard>`.
pub fn checkpoints_stream(shard: &str) -> Result<String, NameError> {
    Ok(format!("CS_CHECKPOINTS_{}", slug("shard", shard)?))
}

/// `<tenant>_<agent>`: an agent's durable consumer. Slugs hold no `_`, so no two pairs collide.
pub fn agent_durable(tenant: &str, agent: &str) -> Result<String, NameError> {
    Ok(format!("{}_{}", slug("tenant", tenant)?, slug("agent", agent)?))
}

/// `_INBOX_<service>`.
pub fn service_inbox(service: &str) -> Result<String, NameError> {
    Ok(format!("_INBOX_{}", slug("service", service)?))
}

/// `_INBOX_<tenant>_<agent>`.
pub fn agent_inbox(tenant: &str, agent: &str) -> Result<String, NameError> {
    Ok(format!("_INBOX_{}", agent_durable(tenant, agent)?))
}

/// `$KV.CS_POSITIONS.<service>.<name>`: each service owns the positions under its own name.
pub fn position(service: &str, name: &str) -> Result<String, NameError> {
    let service = slug("service", service)?;
    let follows = |byte: u8| slug_byte(byte) || byte == b'_';
    if !matches(name, |byte| byte != b'-' && slug_byte(byte), follows) {
        return Err(NameError::NotAPositionName { value: name.to_owned() });
    }
    Ok(format!("$KV.{BUCKET_POSITIONS}.{service}.{name}"))
}

/// Takes a log subject apart; every part obeys its rule.
pub fn parse_log(subject: &str) -> Result<LogSubject<'_>, NameError> {
    let mut parts = subject.split('.');
    let taken = (
        (parts.next(), parts.next()),
        (parts.next(), parts.next(), parts.next(), parts.next()),
        parts.next(),
    );
    let ((Some("cs"), Some("log")), (Some(shard), Some(tenant), Some(kind), Some(id)), None) =
        taken
    else {
        return Err(NameError::WrongShape { subject: subject.to_owned(), expected: "log" });
    };
    Ok(LogSubject {
        shard: slug("shard", shard)?,
        tenant: slug("tenant", tenant)?,
        aggregate_type: snake_case(kind)?,
        id: type_id("aggregate id", id)?,
    })
}

/// Takes a results subject apart; every part obeys its rule.
pub fn parse_result(subject: &str) -> Result<ResultSubject<'_>, NameError> {
    let wrong = || NameError::WrongShape { subject: subject.to_owned(), expected: "results" };
    let mut parts = subject.split('.');
    let taken = (
        (parts.next(), parts.next()),
        (parts.next(), parts.next(), parts.next(), parts.next()),
        parts.next(),
    );
    let ((Some("cs"), Some("results")), (Some(tenant), Some(agent), Some(job), Some(kind)), None) =
        taken
    else {
        return Err(wrong());
    };
    let kind = match kind {
        "claimed" => ResultKind::Claimed,
        "progress" => ResultKind::Progress,
        "result" => ResultKind::Result,
        _ => return Err(wrong()),
    };
    Ok(ResultSubject {
        tenant: slug("tenant", tenant)?,
        agent: slug("agent", agent)?,
        job: type_id("job", job)?,
        kind,
    })
}

/// Gives `value` back if it obeys the tenant slug rule; `what` names it in the error.
pub fn slug<'a>(what: &'static str, value: &'a str) -> Result<&'a str, NameError> {
    if matches(value, |byte| byte != b'-' && slug_byte(byte), slug_byte) {
        return Ok(value);
    }
    Err(NameError::NotASlug { what, value: value.to_owned() })
}

fn snake_case(value: &str) -> Result<&str, NameError> {
    let follows = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if matches(value, |byte| byte.is_ascii_lowercase(), follows) {
        return Ok(value);
    }
    Err(NameError::NotAnAggregateType { value: value.to_owned() })
}

fn type_id<'a>(what: &'static str, value: &'a str) -> Result<&'a str, NameError> {
    let is_suffix = |text: &str| {
        text.len() == 26
            && text.bytes().next().is_some_and(|first| (b'0'..=b'7').contains(&first))
            && text.bytes().all(|byte| {
                byte.is_ascii_digit()
                    || byte.is_ascii_lowercase() && !matches!(byte, b'i' | b'l' | b'o' | b'u')
            })
    };
    let is_prefix = |text: &str| {
        (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    match value.split_once('_') {
        Some((prefix, suffix)) if is_prefix(prefix) && is_suffix(suffix) => Ok(value),
        _ => Err(NameError::NotATypeId { what, value: value.to_owned() }),
    }
}

fn slug_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// 1 to 63 bytes, the first by one rule and the others by another.
fn matches(value: &str, first: impl Fn(u8) -> bool, follows: impl Fn(u8) -> bool) -> bool {
    let mut bytes = value.bytes();
    bytes.next().is_some_and(first) && value.len() <= 63 && bytes.all(follows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_subject_of_a_result_is_taken_apart_or_refused(
            text: String, near in "cs\\.results\\.[a-z0-9-]{1,5}\\.[a-z0-9-]{1,5}\\.job_[0-9a-z]{26}\\.(result|claimed|x)",
        ) {
            for text in [text, near] {
                if let Ok(parts) = parse_result(&text) {
                    let ResultSubject { tenant, agent, job, kind } = parts;
                    prop_assert_eq!(result(tenant, agent, job, kind).ok(), Some(text));
                }
            }
        }
    }

    const CHANGE: &str = "chg_01hzy8q3v5e6m7n8p9qrstvwxy";
    const JOB: &str = "job_01hzy8q3v5e6m7n8p9qrstvwxy";

    #[test]
    fn subjects_have_the_bytes_of_the_protocol() {
        let sha = "ab".repeat(32);
        assert_eq!(
            log("main", "acme", "data_source", CHANGE).unwrap(),
            format!("cs.log.main.acme.data_source.{CHANGE}")
        );
        assert_eq!(log_all("main").unwrap(), "cs.log.main.>");
        assert_eq!(blob("main", "acme", &sha).unwrap(), format!("cs.blob.main.acme.{sha}"));
        assert_eq!(checkpoints("main").unwrap(), "cs.checkpoints.main");
        assert_eq!(job("acme", "site-1", JOB).unwrap(), format!("cs.jobs.acme.site-1.{JOB}"));
        assert_eq!(
            result("acme", "site-1", JOB, ResultKind::Result).unwrap(),
            format!("cs.results.acme.site-1.{JOB}.result")
        );
        assert_eq!(agent_durable("acme", "site-1").unwrap(), "acme_site-1");
        assert_eq!(agent_inbox("acme", "site-1").unwrap(), "_INBOX_acme_site-1");
        assert_eq!(service_inbox("command-api").unwrap(), "_INBOX_command-api");
        assert_eq!(log_stream("main").unwrap(), "CS_LOG_main");
        assert_eq!(position("workflows", "apply").unwrap(), "$KV.CS_POSITIONS.workflows.apply");
    }

    #[test]
    fn a_segment_that_is_not_a_slug_never_reaches_a_subject() {
        let long = "a".repeat(64);
        for bad in ["", "-a", "A", "a.b", "a*", ">", "*", "a_b", "a b", "ä", "a\n", long.as_str()]
        {
            let refused = Err(NameError::NotASlug { what: "tenant", value: bad.to_owned() });
            assert_eq!(log("main", bad, "change", CHANGE), refused);
            assert_eq!(job(bad, "site", JOB), refused);
            assert_eq!(agent_durable(bad, "site"), refused);
            assert!(agent_inbox("acme", bad).is_err());
            assert!(log_all(bad).is_err());
        }
        assert!(slug("tenant", &"a".repeat(63)).is_ok());
    }

    #[test]
    fn an_id_that_is_not_a_type_id_never_reaches_a_subject() {
        let upper = CHANGE.to_uppercase();
        let eight = CHANGE.replace("_0", "_8");
        for bad in
            ["", "chg", "chg_", "chg_*", "chg_01hzy8q3v5e6m7n8p9qrstvwx", ">", &upper, &eight]
        {
            assert!(log("main", "acme", "change", bad).is_err(), "{bad}");
            assert!(result("acme", "site", bad, ResultKind::Claimed).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_64_lower_case_hex_characters() {
        assert!(blob("main", "acme", &"AB".repeat(32)).is_err());
        assert!(blob("main", "acme", &"a".repeat(63)).is_err());
        assert!(blob("main", "acme", &format!("{}.", "a".repeat(63))).is_err());
    }

    #[test]
    fn a_log_subject_is_taken_apart_into_the_parts_it_was_made_of() {
        let subject = log("main", "acme", "trust_root", CHANGE).unwrap();
        let parts = parse_log(&subject).unwrap();
        assert_eq!(
            parts,
            LogSubject { shard: "main", tenant: "acme", aggregate_type: "trust_root", id: CHANGE }
        );
        assert!(parse_log(&format!("{subject}.more")).is_err());
        assert!(parse_log("cs.blob.main.acme.change").is_err());
    }

    #[test]
    fn a_results_subject_is_taken_apart_into_the_parts_it_was_made_of() {
        let subject = result("acme", "site", JOB, ResultKind::Progress).unwrap();
        let parts = parse_result(&subject).unwrap();
        assert_eq!((parts.tenant, parts.agent, parts.job), ("acme", "site", JOB));
        assert_eq!(parts.kind, ResultKind::Progress);
        assert!(parse_result(&subject.replace("progress", "other")).is_err());
    }
}
