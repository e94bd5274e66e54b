//! What an approver's own tool derives before anything is signed: digests of exact bytes, never the server's word.

use domain::ids::ChangeId;
use sql::CutError;
use trust::encoding::{EncodingError, Sha256Digest};
use trust::statement::{Change, RollbackRule, Statement as _, StatementError, StepKind};

/// What the server says is to be signed. None of it is trusted.
#[derive(Debug, Clone)]
pub struct Claimed<'a> {
    /// The change that the person named.
    pub change: ChangeId,
    /// The person's tenant.
    pub tenant: &'a str,
    /// Which submission the approval is about.
    pub revision: u64,
    /// The approval's environment.
    pub environment: &'a str,
    /// The digest that the approval names.
    pub change_sha256: &'a str,
    /// The manifest's bytes.
    pub manifest: &'a [u8],
}

/// Why what would be signed is not what the server says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The approval's digest is not one.
    #[error("the approval names no digest of the manifest")]
    NoDigest(#[source] EncodingError),
    /// Other manifest bytes than the approval names.
    #[error("the manifest has the digest {found}, the approval is about {named}")]
    Manifest {
        /// As named.
        named: Sha256Digest,
        /// As computed.
        found: Sha256Digest,
    },
    /// The bytes are no manifest.
    #[error("the manifest is not in strict form")]
    Malformed(#[source] StatementError),
    /// The manifest is about something else than the person asked for.
    #[error("the manifest's {member} is {found}, not {expected}")]
    Other {
        /// Which member.
        member: &'static str,
        /// What belongs there.
        expected: String,
        /// What it says.
        found: String,
    },
    /// The manifest asks for more than this version can show.
    #[error("the manifest has {0}, which this version cannot show")]
    NotShown(&'static str),
    /// The SQL cannot be cut into steps, so nobody knows what would run.
    #[error("the SQL cannot be cut into steps")]
    Cut(#[source] CutError),
    /// Another number of steps.
    #[error("the SQL has {found} steps, the manifest {signed}")]
    StepCount {
        /// In the manifest.
        signed: usize,
        /// In the SQL.
        found: usize,
    },
    /// A step of the manifest is not the SQL's.
    #[error("step {ordinal} of the SQL is not the one that the manifest names")]
    Step {
        /// Which.
        ordinal: u32,
    },
}

/// The manifest, if it is the one that the approval names and is about this change.
pub fn manifest(claimed: &Claimed<'_>) -> Result<Change, Mismatch> {
    let named: Sha256Digest = claimed.change_sha256.parse().map_err(Mismatch::NoDigest)?;
    let found = Sha256Digest::of(claimed.manifest);
    if found != named {
        return Err(Mismatch::Manifest { named, found });
    }
    let manifest = Change::parse(claimed.manifest).map_err(Mismatch::Malformed)?;
    for (member, found, expected) in [
        ("tenant", manifest.tenant.to_string(), claimed.tenant.to_owned()),
        ("change", manifest.change.to_string(), claimed.change.to_string()),
        ("revision", manifest.revision.to_string(), claimed.revision.to_string()),
        ("environment", manifest.environment.clone(), claimed.environment.to_owned()),
    ] {
        if found != expected {
            return Err(Mismatch::Other { member, expected, found });
        }
    }
    Ok(manifest)
}

/// Whether the exact SQL bytes are all and only what the manifest's steps name.
pub fn steps(manifest: &Change, file: &[u8]) -> Result<(), Mismatch> {
    if manifest.break_glass.is_some() {
        return Err(Mismatch::NotShown("an emergency rule"));
    }
    if manifest.rollback != RollbackRule::Never {
        return Err(Mismatch::NotShown("a rule about rolling back"));
    }
    if manifest.steps.iter().any(|step| step.kind != StepKind::Forward) {
        return Err(Mismatch::NotShown("rollback steps"));
    }
    let cut = sql::cut(file).map_err(Mismatch::Cut)?;
    let (signed, found) = (manifest.steps.len(), cut.len());
    if signed != found {
        return Err(Mismatch::StepCount { signed, found });
    }
    for (signed, step) in manifest.steps.iter().zip(&cut) {
        // The digest is taken here, of the bytes that will be shown.
        let bytes = file.get(step.range.clone()).unwrap_or_default();
        let same = signed.ordinal == step.ordinal
            && signed.transactional == step.transactional
            && signed.sha256 == Sha256Digest::of(bytes);
        if !same {
            return Err(Mismatch::Step { ordinal: step.ordinal });
        }
    }
    Ok(())
}

/// Everything that a signature on the manifest covers, as it may be shown.
pub fn shown(manifest: &Change, file: &[u8]) -> String {
    let mut lines = members(manifest);
    let sql = sql::escaped(&String::from_utf8_lossy(file));
    lines.push(format!("---- the exact SQL, {} bytes ----", file.len()));
    match sql.strip_suffix('\n') {
        Some(sql) => lines.push(sql.to_owned()),
        None => lines.extend([sql, "(no newline at the end)".to_owned()]),
    }
    lines.push("---- end of the SQL ----".to_owned());
    lines.join("\n")
}

fn members(manifest: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| {
        lines.push(format!("  {name:<12} {}", sql::escaped(&value)));
    };
    line("tenant", manifest.tenant.to_string());
    line("change", format!("{} revision {}", manifest.change, manifest.revision));
    line("author", manifest.author.to_string());
    line("environment", manifest.environment.clone());
    for target in manifest.targets.iter().flatten() {
        line("target", format!("{} ({})", target.name, target.id));
    }
    for (name, value) in manifest.selector.iter().flat_map(|selector| &selector.labels) {
        line("targets with", format!("{name}={value}"));
    }
    let schema = |fingerprint: &Option<trust::names::Fingerprint>| {
        fingerprint.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string)
    };
    line("from schema", schema(&manifest.transition.from));
    if manifest.transition.to.is_some() {
        line("to schema", schema(&manifest.transition.to));
    }
    line("root", format!("version {}, sha256 {}", manifest.root.version, manifest.root.sha256));
    line(
        "policy",
        format!("version {}, sha256 {}", manifest.policy.version, manifest.policy.sha256),
    );
    for requirement in &manifest.requirements {
        line("requires", format!("{} with the role {}", requirement.count, requirement.role));
    }
    line("issued at", manifest.issued_at.to_string());
    line("not after", manifest.not_after.to_string());
    for step in &manifest.steps {
        let way = if step.transactional { "in a transaction" } else { "outside a transaction" };
        line("step", format!("{} {way}, sha256 {}", step.ordinal, step.sha256));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::names::DataSourceId;
    use trust::statement::{BreakGlass, PolicyRef, RootRef, Step, Target, Transition};

    const SQL: &[u8] = b"create table notes (id bigint primary key);\n";

    fn change(sql: &[u8]) -> anyhow::Result<Change> {
        let digest = Sha256Digest::of(b"x");
        let data_source: DataSourceId = "dsc_01h455vb4pex5vsknk084sn02q".parse()?;
        Ok(Change {
            tenant: "acme".parse()?,
            change: "chg_01h455vb4pex5vsknk084sn02q".parse()?,
            revision: 1,
            author: "prn_01h455vb4pex5vsknk084sn02q".parse()?,
            environment: "dev".to_owned(),
            root: RootRef { version: 1, sha256: digest },
            issued_at: "2026-11-20T07:00:00.000000Z".parse()?,
            not_after: "2026-11-21T07:00:00.000000Z".parse()?,
            transition: Transition { from: None, to: None },
            targets: Some(vec![Target { id: data_source, name: "shop\u{202e}".to_owned() }]),
            selector: None,
            steps: vec![Step {
                ordinal: 1,
                sha256: Sha256Digest::of(sql),
                transactional: true,
                kind: StepKind::Forward,
            }],
            rollback: RollbackRule::Never,
            requirements: Vec::new(),
            policy: PolicyRef { version: 1, sha256: digest },
            break_glass: None,
        })
    }

    fn reviewed(
        named: &[u8],
        bytes: &[u8],
        spoil: impl FnOnce(&mut Claimed<'_>),
    ) -> anyhow::Result<Result<Change, Mismatch>> {
        let sha256 = Sha256Digest::of(named).to_string();
        let mut claimed = Claimed {
            change: "chg_01h455vb4pex5vsknk084sn02q".parse()?,
            tenant: "acme",
            revision: 1,
            environment: "dev",
            change_sha256: &sha256,
            manifest: bytes,
        };
        spoil(&mut claimed);
        Ok(manifest(&claimed))
    }

    #[test]
    fn an_honest_manifest_and_its_sql_are_taken() {
        let change = change(SQL).unwrap();
        let bytes = change.to_payload().unwrap();
        assert_eq!(reviewed(&bytes, &bytes, |_| {}).unwrap().unwrap(), change);
        assert_eq!(steps(&change, SQL), Ok(()));
    }

    #[test]
    fn a_manifest_of_other_bytes_than_the_approval_names_is_not_signed() {
        let bytes = change(SQL).unwrap().to_payload().unwrap();
        let other = change(b"drop table notes;").unwrap().to_payload().unwrap();
        let found = reviewed(&bytes, &other, |_| {}).unwrap().unwrap_err();
        assert!(matches!(found, Mismatch::Manifest { .. }), "{found:?}");
        let padded = [&bytes[..], b" "].concat();
        let found = reviewed(&bytes, &padded, |_| {}).unwrap().unwrap_err();
        assert!(matches!(found, Mismatch::Manifest { .. }), "{found:?}");
        let found = reviewed(b"{}", b"{}", |_| {}).unwrap().unwrap_err();
        assert!(matches!(found, Mismatch::Malformed(_)), "{found:?}");
        let found = reviewed(&bytes, &bytes, |c| c.change_sha256 = "").unwrap().unwrap_err();
        assert!(matches!(found, Mismatch::NoDigest(_)), "{found:?}");
    }

    #[test]
    fn a_manifest_about_something_else_is_not_signed() {
        let bytes = change(SQL).unwrap().to_payload().unwrap();
        let other: ChangeId = "chg_01h455vb4pex5vsknk084sn02r".parse().unwrap();
        for member in ["tenant", "change", "revision", "environment"] {
            let found = reviewed(&bytes, &bytes, |claimed| match member {
                "tenant" => claimed.tenant = "globex",
                "change" => claimed.change = other,
                "revision" => claimed.revision = 2,
                _ => claimed.environment = "production",
            });
            let found = found.unwrap().unwrap_err();
            assert!(
                matches!(&found, Mismatch::Other { member: named, .. } if *named == member),
                "{found:?}"
            );
        }
    }

    #[test]
    fn sql_that_differs_in_one_byte_is_not_signed() {
        let change = change(SQL).unwrap();
        let mut tampered = SQL.to_vec();
        tampered.push(b' ');
        assert_eq!(steps(&change, &tampered), Err(Mismatch::Step { ordinal: 1 }));
        let crlf = b"create table notes (id bigint primary key);\r\n";
        assert_eq!(steps(&change, crlf), Err(Mismatch::Step { ordinal: 1 }));
        assert!(matches!(steps(&change, b"commit;"), Err(Mismatch::Cut(_))));
        assert!(matches!(steps(&change, b""), Err(Mismatch::Cut(_))));
    }

    #[test]
    fn steps_that_are_not_shown_are_not_signed() {
        let mut two = change(SQL).unwrap();
        two.steps.push(Step { ordinal: 2, ..two.steps[0].clone() });
        assert_eq!(steps(&two, SQL), Err(Mismatch::StepCount { signed: 2, found: 1 }));
        let mut rollback = change(SQL).unwrap();
        rollback.steps[0].kind = StepKind::Rollback;
        assert_eq!(steps(&rollback, SQL), Err(Mismatch::NotShown("rollback steps")));
        let mut outside = change(SQL).unwrap();
        outside.steps[0].transactional = false;
        assert_eq!(steps(&outside, SQL), Err(Mismatch::Step { ordinal: 1 }));
        let mut emergency = change(SQL).unwrap();
        emergency.break_glass = Some(BreakGlass { reason_sha256: Sha256Digest::of(b"") });
        assert_eq!(steps(&emergency, SQL), Err(Mismatch::NotShown("an emergency rule")));
        for rule in [RollbackRule::OnFailure, RollbackRule::Signed] {
            let mut back = change(SQL).unwrap();
            back.rollback = rule;
            assert_eq!(steps(&back, SQL), Err(Mismatch::NotShown("a rule about rolling back")));
        }
    }

    #[test]
    fn what_is_shown_is_everything_and_moves_nothing() {
        let sql = "select 1; -- \u{1b}[2K\u{202e}";
        let text = shown(&change(sql.as_bytes()).unwrap(), sql.as_bytes());
        for expected in [
            "acme",
            "chg_01h455vb4pex5vsknk084sn02q revision 1",
            "prn_01h455vb4pex5vsknk084sn02q",
            "shop\\u{202e} (dsc_",
            "2026-11-21T07:00:00.000000Z",
            "select 1; -- \\u{1b}[2K\\u{202e}",
            "no newline at the end",
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
