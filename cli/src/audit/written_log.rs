//! Test logs: the testimony as commits, lines and blobs in a folder.

use super::testimony::{TENANT, Testimony, change_id, data_source, key};
use anyhow::Context as _;
use domain::approvals::ApprovalEvent;
use domain::catalog::DataSourceEvent;
use domain::changes::ChangeEvent;
use domain::identity::TrustRootEvent;
use domain::ids::{ChangeId, CommandId, EventId, JobId, LogId, PrincipalId, TrustRootId};
use domain::jobs::JobEvent;
use domain::ledger::{LogEvent, Opened};
use domain::registry::recorded;
use ledger::{
    Actor, ActorKind, AggregateRef, Auth, CommandRef, CommitHash, Envelope, EventEntry, Line,
    Manifest, RequestDigest, Stored, blob_file,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use trust::encoding::Timestamp;

/// A log in the making.
struct Writing {
    lines: Vec<u8>,
    sequence: u64,
    heads: BTreeMap<String, (u64, CommitHash)>,
}

/// The envelope of a commit of `(tenant, aggregate type, id)` at a place of the log and of its chain.
pub fn envelope<E: Serialize>(
    (tenant, kind, id): (&str, &str, &str),
    (sequence, version, prev): (u64, u64, CommitHash),
    time: Timestamp,
    events: &[E],
) -> anyhow::Result<Envelope> {
    let number = sequence.to_string();
    let entry = |(index, event): (usize, &E)| {
        let (kind, data) = recorded(event)?;
        let id = EventId::derived("event", &[&number, &index.to_string()]);
        Ok(EventEntry { id: id.to_string().parse()?, kind: kind.parse()?, schema: 1, data })
    };
    Ok(Envelope {
        spec: ledger::SPEC,
        log: "a.b".parse()?,
        writer: key("writer").id(),
        tenant: tenant.parse()?,
        aggregate: AggregateRef { kind: kind.parse()?, id: id.parse()? },
        version,
        prev,
        command: CommandRef {
            id: CommandId::derived("command", &[&number]).to_string().parse()?,
            kind: "test".parse()?,
            digest: RequestDigest::of(b"{}"),
        },
        actor: Actor {
            kind: ActorKind::Person,
            id: PrincipalId::derived("principal", &["ada"]).to_string().parse()?,
            auth: Auth::Token,
        },
        correlation_id: "test".to_owned(),
        causation_id: None,
        traceparent: "00-11111111111111111111111111111111-2222222222222222-01".to_owned(),
        time,
        events: events.iter().enumerate().map(entry).collect::<anyhow::Result<_>>()?,
    })
}

impl Writing {
    fn append<E: Serialize>(
        &mut self,
        (tenant, kind, id): (&str, &str, &str),
        events: &[E],
    ) -> anyhow::Result<()> {
        self.sequence += 1;
        let time: Timestamp = "2026-11-20T07:00:03.000000Z".parse()?;
        let (version, prev) = self.heads.get(id).copied().unwrap_or((0, CommitHash::ZERO));
        let place = (self.sequence, version + 1, prev);
        let envelope = envelope((tenant, kind, id), place, time, events)?;
        let signed = envelope.sign(&"main".parse()?, &key("writer"))?;
        let (hash, signature) = (signed.hash.to_string(), signed.signature.to_string());
        let stored = Stored {
            sequence: self.sequence,
            subject: &signed.subject,
            hash: Some(&hash),
            signature: Some(&signature),
            payload: &signed.payload,
        };
        self.lines.extend(Line::of(&stored, time).encode()?);
        self.heads.insert(id.to_owned(), (version + 1, signed.hash));
        Ok(())
    }
}

/// The log up to the commit that grants the schema lock; a story that nobody names is at its third place.
fn until_lock_grant(testimony: &Testimony) -> anyhow::Result<Writing> {
    let mut log = Writing { lines: Vec::new(), sequence: 0, heads: BTreeMap::new() };
    let opened = Opened {
        nonce: "0".repeat(64),
        spec: 1,
        shard: "main".to_owned(),
        predecessor: testimony.evidence.predecessor.clone(),
    };
    let id = LogId::derived("log", &["a.b"]).to_string();
    log.append(("system", "log", &id), &[LogEvent::Opened(opened)])?;
    let evidence = &testimony.evidence;
    for ((tenant, _), root) in &evidence.roots {
        let id = TrustRootId::derived("trust_root", &[tenant]).to_string();
        log.append((tenant, "trust_root", &id), &[TrustRootEvent::Published(root.clone())])?;
    }
    let requested = [ChangeEvent::Requested { revision: 1 }];
    log.append((TENANT, "change", &unrelated_change().to_string()), &requested)?;
    log.append((TENANT, "change", &change_id().to_string()), &requested)?;
    for ((tenant, id), record) in &evidence.approvals {
        let at = (tenant.as_str(), "approval", id.as_str());
        if let Some(opened) = &record.opened {
            log.append(at, &[ApprovalEvent::Opened(opened.clone())])?;
        }
        for signed in &record.signed {
            log.append(at, &[ApprovalEvent::Signed(signed.clone())])?;
        }
        if record.granted.is_some() {
            log.append(at, &[ApprovalEvent::Granted {}])?;
        }
    }
    let granted = DataSourceEvent::LockGranted { change: change_id(), fence: 1 };
    log.append((TENANT, "data_source", &data_source().to_string()), &[granted])?;
    Ok(log)
}

/// A change that no other commit names.
pub fn unrelated_change() -> ChangeId {
    ChangeId::derived("change", &["unrelated"])
}

/// Where the log of this testimony grants the schema lock.
pub fn lock_grant(testimony: &Testimony) -> anyhow::Result<(u64, CommitHash)> {
    let log = until_lock_grant(testimony)?;
    let (_, hash) = log.heads.get(&data_source().to_string()).context("a lock grant")?;
    Ok((log.sequence, *hash))
}

/// Writes the testimony as an evidence bundle without copies.
pub fn write(testimony: &Testimony, folder: &Path) -> anyhow::Result<()> {
    let mut log = until_lock_grant(testimony)?;
    let evidence = &testimony.evidence;
    for ((tenant, id), record) in &evidence.jobs {
        let at = (tenant.as_str(), "job", id.as_str());
        if let Some(dispatched) = &record.dispatched {
            log.append(at, &[JobEvent::Dispatched(dispatched.clone())])?;
        }
        if let Some(finished) = &record.finished {
            log.append(at, &[JobEvent::ended(finished.said.clone())])?;
        }
    }
    for ((tenant, id), record) in &evidence.applied {
        let job: JobId = record.job.parse()?;
        let applied = ChangeEvent::Applied { job, fingerprint: record.fingerprint.clone() };
        log.append((tenant, "change", id), &[applied])?;
    }
    fs::create_dir_all(folder.join("blobs"))?;
    for (sha256, bytes) in &testimony.blobs.0 {
        fs::write(folder.join(blob_file(sha256)), bytes)?;
    }
    fs::write(folder.join("commits.ndjson"), &log.lines)?;
    let created: Timestamp = "2026-11-20T08:00:00.000000Z".parse()?;
    let manifest = Manifest::unsealed("a.b".parse()?, log.sequence, created);
    fs::write(folder.join("bundle.json"), manifest.encode()?)?;
    Ok(())
}
