//! What the readers answer, for their tenant and for nobody else's.

mod workbench;

use countersign_projections::{
    Database, PageRequest, Progress, agents, approval_detail, approvals, change_detail,
    change_list, data_source_detail, data_sources, jobs, principals, trust_roots,
};
use domain::agents::{AgentEvent, Enrolled};
use domain::approvals::{ApprovalEvent, Opened, Signed};
use domain::catalog::{DataSourceEvent, Registered};
use domain::changes::ChangeEvent;
use domain::identity::{
    PrincipalCreated, PrincipalEvent, PrincipalKind, Role, RootPublished, Token, TrustRootEvent,
};
use domain::ids::TrustRootId;
use domain::jobs::{Dispatched, Finished, JobEvent, Mode};
use domain::vocabulary::{Found, Outcome, Requirement, Stage, Start};
use event_log::Followed;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use trust::encoding::Sha256Digest;
use workbench::*;

const ALL: PageRequest = PageRequest { before: None, size: 100 };

async fn written(name: &str, batch: &[Followed]) -> anyhow::Result<Database> {
    let database = database(name).await?;
    let mut writer = writer(&database).await?;
    let written = writer.write(batch).await?;
    anyhow::ensure!(written.parked == 0, "a commit was set aside");
    writer.release().await?;
    Ok(database)
}

fn registered(sequence: u64) -> anyhow::Result<Followed> {
    let registered = DataSourceEvent::Created(Registered {
        name: "orders".to_owned(),
        engine: "postgresql".to_owned(),
        environment: "production".to_owned(),
        agent: agent("edge-1"),
        agent_name: "edge-1".to_owned(),
        labels: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
    });
    commit(sequence, ("data_source", &data_source("orders").to_string()), 1, &[registered])
}

fn dispatched(mode: Mode, fence: u64) -> anyhow::Result<JobEvent> {
    Ok(JobEvent::Dispatched(Dispatched {
        change: change("a"),
        data_source: data_source("orders"),
        agent: agent("edge-1"),
        agent_name: "edge-1".to_owned(),
        mode,
        attempt: 1,
        fence,
        message: blob("message"),
        job_sha256: Sha256Digest::of(b"job"),
        change_sha256: Some(Sha256Digest::of(b"manifest")),
        not_after: at(100)?,
    }))
}

fn finished() -> anyhow::Result<Finished> {
    Ok(Finished {
        change: change("a"),
        mode: Mode::Migrate,
        attempt: 1,
        outcome: Outcome::FailedClean,
        refusal: None,
        sqlstate: Some("42P07".to_owned()),
        fingerprint_before: None,
        fingerprint_after: None,
        root: Some(root()),
        counted: vec![person("bob").to_string()],
        started_at: at(1)?,
        finished_at: at(2)?,
        received_at: at(2)?,
        result: blob("result"),
        document: None,
    })
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_filtered() {
    let mut batch = vec![registered(1).unwrap()];
    for sequence in 2..=6 {
        batch.push(submitted(sequence, &format!("c{sequence}")).unwrap());
    }
    let id = change("c3").to_string();
    let cancelled = ChangeEvent::Cancelled { by: person("ada") };
    batch.push(commit(7, ("change", &id), 2, &[cancelled]).unwrap());
    let database = written("pages", &batch).await.unwrap();
    let none = change_list::Filter::default();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = PageRequest { before, size: 2 };
        let listed = change_list::list(&database, "acme", &none, page).await.unwrap();
        assert!(listed.items.len() <= 2);
        seen.extend(listed.items.into_iter().map(|change| change.title));
        before = listed.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["c6", "c5", "c4", "c3", "c2"]);
    let filter = |state: Option<&str>, data_source: Option<&str>| change_list::Filter {
        state: state.map(str::to_owned),
        data_source: data_source.map(str::to_owned),
    };
    for (filter, expected) in [
        (filter(Some("cancelled"), None), 1),
        (filter(Some("checking"), Some("orders")), 4),
        (filter(None, Some(&data_source("orders").to_string())), 5),
        (filter(None, Some("unknown")), 0),
    ] {
        let found = change_list::list(&database, "acme", &filter, ALL).await.unwrap().items;
        assert_eq!(found.len(), expected, "{filter:?}");
        assert!(found.iter().all(|change| change.data_source == "orders"));
    }
}

#[tokio::test]
async fn what_somebody_found_after_an_unknown_outcome_is_shown() {
    let id = change("a").to_string();
    let unknown = ChangeEvent::OutcomeUnknown { job: job("m") };
    let resolved = ChangeEvent::Resolved {
        found: Found::Failed,
        reason: "there is no such table".into(),
        by: person("ops"),
    };
    let batch = [
        registered(1).unwrap(),
        submitted(2, "a").unwrap(),
        commit(3, ("change", &id), 2, &[unknown]).unwrap(),
        commit(4, ("change", &id), 3, &[resolved]).unwrap(),
    ];
    let database = written("resolved", &batch).await.unwrap();
    let none = change_list::Filter::default();
    let listed = change_list::list(&database, "acme", &none, ALL).await.unwrap().items;
    assert_eq!(listed[0].state, "failed");
    let detail = change_detail::load(&database, "acme", change("a")).await.unwrap().unwrap();
    let detail = serde_json::to_value(&detail.0).unwrap();
    assert_eq!(
        detail["resolution"],
        serde_json::json!({
            "found": "failed", "by": person("ops").to_string(), "reason": "there is no such table",
        })
    );
}

#[tokio::test]
async fn another_tenant_sees_nothing() {
    let batch = [
        registered(1).unwrap(),
        submitted(2, "a").unwrap(),
        commit(3, ("job", &job("m").to_string()), 1, &[dispatched(Mode::Migrate, 1).unwrap()])
            .unwrap(),
    ];
    let database = written("tenants", &batch).await.unwrap();
    let filter = change_list::Filter::default();
    for (tenant, expected) in [("acme", 1), ("acm", 0), ("globex", 0), ("acme/x", 0)] {
        let list = change_list::list(&database, tenant, &filter, ALL).await.unwrap();
        assert_eq!(list.items.len(), expected, "{tenant}");
        let detail = change_detail::load(&database, tenant, change("a")).await.unwrap();
        assert_eq!(detail.iter().count(), expected, "{tenant}");
        let source = data_sources::id(&database, tenant, "orders").await.unwrap();
        assert_eq!(source.iter().count(), expected, "{tenant}");
        let found = jobs::find(&database, tenant, job("m")).await.unwrap();
        assert_eq!(found.iter().count(), expected, "{tenant}");
        let of_change = jobs::of_change(&database, tenant, change("a")).await.unwrap();
        assert_eq!(of_change.0.len(), expected, "{tenant}");
    }
}

#[tokio::test]
async fn an_approval_shows_who_signed_and_who_rejected() {
    let opened = ApprovalEvent::Opened(Opened {
        change: change("a"),
        revision: 1,
        data_source: data_source("orders"),
        environment: "production".to_owned(),
        author: person("ada"),
        manifest: blob("manifest"),
        change_sha256: Sha256Digest::of(b"manifest"),
        root: root(),
        policy: policy(),
        stages: vec![Stage {
            name: "countersign".to_owned(),
            quorum: 2,
            requirements: vec![Requirement { role: "dba".to_owned(), count: 1 }],
        }],
        start: Start::OnApproval,
        deadline: at(900).unwrap(),
    });
    let signed = |name: &str| {
        ApprovalEvent::Signed(Signed {
            person: person(name),
            roles: vec!["dba".to_owned()],
            signature: serde_json::json!({}),
        })
    };
    let rejected =
        ApprovalEvent::Rejected { person: person("eve"), statement: blob("no"), reason: None };
    let (granted, refused) = (approval("granted").to_string(), approval("refused").to_string());
    let batch = [
        commit(1, ("approval", &granted), 1, std::slice::from_ref(&opened)).unwrap(),
        commit(2, ("approval", &granted), 2, &[signed("bob")]).unwrap(),
        commit(3, ("approval", &granted), 3, &[signed("eve"), ApprovalEvent::Granted {}]).unwrap(),
        commit(4, ("approval", &refused), 1, &[opened]).unwrap(),
        commit(5, ("approval", &refused), 2, &[rejected]).unwrap(),
    ];
    let database = written("approvals", &batch).await.unwrap();
    let granted_ones = approvals::Filter { state: Some("granted".to_owned()), change: None };
    let loaded = approval_detail::load(&database, "acme", approval("granted")).await.unwrap();
    let (detail, version) = loaded.unwrap();
    assert_eq!((version, detail.history.len(), detail.author), (3, 4, person("ada").to_string()));
    let found = detail.approval;
    assert_eq!(
        approvals::list(&database, "acme", &granted_ones, ALL).await.unwrap().items,
        std::slice::from_ref(&found)
    );
    assert_eq!((found.state.as_str(), found.deadline), ("granted", at(900).unwrap().to_string()));
    let people: Vec<_> = found.signed.iter().map(|s| (s.person.clone(), s.at.clone())).collect();
    let expected = [("bob", 2), ("eve", 3)];
    let expected = expected.map(|(name, s)| (person(name).to_string(), at(s).unwrap().to_string()));
    assert_eq!(people, expected);
    let filter = approvals::Filter { state: Some("rejected".to_owned()), change: None };
    let listed = approvals::list(&database, "acme", &filter, ALL).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].rejected_by, Some(person("eve").to_string()));
}

#[tokio::test]
async fn a_schema_lock_is_shown_while_it_is_held() {
    let id = data_source("orders").to_string();
    let granted = |name, fence| DataSourceEvent::LockGranted { change: change(name), fence };
    let released = |name, fence| DataSourceEvent::LockReleased { change: change(name), fence };
    let batch = [
        registered(1).unwrap(),
        commit(2, ("data_source", &id), 2, &[granted("a", 1)]).unwrap(),
        commit(3, ("data_source", &id), 3, &[DataSourceEvent::LockQueued { change: change("b") }])
            .unwrap(),
        commit(4, ("data_source", &id), 4, &[released("b", None)]).unwrap(),
    ];
    let database = written("locks", &batch).await.unwrap();
    let (detail, version) =
        data_source_detail::load(&database, "acme", &id).await.unwrap().unwrap();
    assert_eq!((version, detail.history.len(), detail.waiting.len()), (4, 4, 0));
    let held = detail.data_source;
    assert_eq!(
        data_sources::list(&database, "acme", ALL).await.unwrap().items,
        std::slice::from_ref(&held)
    );
    assert_eq!((held.locked_by, held.fence), (Some(change("a").to_string()), 1));
    assert_eq!((held.agent.as_str(), held.labels["team"].as_str()), ("edge-1", "shop"));
    let mut writer = writer(&database).await.unwrap();
    let next = [released("a", Some(1)), granted("b", 2)];
    writer.write(&[commit(5, ("data_source", &id), 5, &next).unwrap()]).await.unwrap();
    let by_name = data_sources::id(&database, "acme", "orders").await.unwrap();
    assert_eq!(by_name.as_deref(), Some(id.as_str()));
    let held =
        data_source_detail::load(&database, "acme", &id).await.unwrap().unwrap().0.data_source;
    assert_eq!(
        data_sources::list(&database, "acme", ALL).await.unwrap().items,
        std::slice::from_ref(&held)
    );
    assert_eq!((held.locked_by, held.fence), (Some(change("b").to_string()), 2));
}

#[tokio::test]
async fn a_job_is_awaited_until_its_result_is_taken_in() {
    let id = job("m").to_string();
    let enrolled = AgentEvent::Enrolled(Enrolled {
        name: "edge-1".to_owned(),
        spiffe_id: "spiffe://dev.countersign.test/tenant/acme/agent/edge-1".to_owned(),
    });
    let batch = [
        registered(1).unwrap(),
        commit(2, ("agent", &agent("edge-1").to_string()), 1, &[enrolled]).unwrap(),
        commit(3, ("job", &id), 1, &[dispatched(Mode::Migrate, 4).unwrap()]).unwrap(),
    ];
    let database = written("jobs", &batch).await.unwrap();
    let awaited = jobs::of_change(&database, "acme", change("a")).await.unwrap().0.remove(0);
    assert_eq!((awaited.agent.as_str(), awaited.data_source.as_str()), ("edge-1", "orders"));
    assert_eq!((awaited.state.as_str(), awaited.fence), ("dispatched", 4));
    let mut writer = writer(&database).await.unwrap();
    let failed = JobEvent::ended(finished().unwrap());
    writer.write(&[commit(4, ("job", &id), 2, &[failed]).unwrap()]).await.unwrap();
    let ended = jobs::find(&database, "acme", job("m")).await.unwrap().unwrap();
    assert_eq!(
        jobs::of_change(&database, "acme", change("a")).await.unwrap(),
        (vec![ended.clone()], false)
    );
    assert!(
        ended.started_at.is_some() && ended.ended_at.is_some() && ended.result_sha256.is_some()
    );
    assert_eq!((ended.state.as_str(), ended.sqlstate.as_deref()), ("failed_clean", Some("42P07")));
    assert_eq!(ended.counted, [person("bob").to_string()]);
    assert_eq!(ended.finished_at, Some(at(4).unwrap().to_string()));
    let by_name = agents::find(&database, "acme", "edge-1").await.unwrap().unwrap();
    let by_id = agents::find(&database, "acme", &agent("edge-1").to_string()).await.unwrap();
    assert_eq!(Some(by_name), by_id);
    assert_eq!(agents::list(&database, "acme", ALL).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_token_is_accepted_for_its_person_until_it_expires_or_is_revoked() {
    let id = person("ada").to_string();
    let token = |text: &str| -> Token {
        Token { token_sha256: Sha256Digest::of(text.as_bytes()), expires_at: at(50).unwrap() }
    };
    let created = PrincipalEvent::Created(PrincipalCreated {
        kind: PrincipalKind::Person,
        name: "Ada".into(),
        roles: vec![Role::Author, Role::Auditor],
    });
    let issued = ["one", "two"].map(|text| PrincipalEvent::TokenIssued(token(text)));
    let revoked = PrincipalEvent::TokenRevoked { token_sha256: token("two").token_sha256 };
    let batch = [
        commit(1, ("principal", &id), 1, &[created]).unwrap(),
        commit(2, ("principal", &id), 2, &issued).unwrap(),
        commit(3, ("principal", &id), 3, &[revoked]).unwrap(),
    ];
    let database = written("tokens", &batch).await.unwrap();
    let roles = Some((PrincipalKind::Person, vec![Role::Author, Role::Auditor]));
    for (tenant, name, text, second, expected) in [
        ("acme", "ada", "one", 49, roles),
        ("acme", "ada", "one", 50, None),
        ("acme", "ada", "two", 10, None),
        ("acme", "ada", "three", 10, None),
        ("acme", "bob", "one", 10, None),
        ("globex", "ada", "one", 10, None),
    ] {
        let (digest, time) = (Sha256Digest::of(text.as_bytes()), at(second).unwrap());
        let found = principals::accepted(&database, tenant, person(name), digest, time).await;
        assert_eq!(found.unwrap(), expected, "{tenant} {name} {text} {second}");
    }
}

#[tokio::test]
async fn the_newest_trust_root_is_the_current_one() {
    let id = TrustRootId::derived("trust_root", &["acme"]).to_string();
    let published = |version: u64| {
        let payload = format!("root {version}");
        TrustRootEvent::Published(RootPublished {
            version,
            sha256: Sha256Digest::of(payload.as_bytes()),
            envelope: blob(&format!("signed {payload}")),
        })
    };
    let batch = [
        commit(1, ("trust_root", &id), 1, &[published(1)]).unwrap(),
        commit(2, ("trust_root", &id), 2, &[published(2)]).unwrap(),
    ];
    let database = written("roots", &batch).await.unwrap();
    let current = trust_roots::current(&database, "acme").await.unwrap().unwrap();
    assert_eq!((current.version, current.sha256), (2, Sha256Digest::of(b"root 2")));
    assert_eq!(current.envelope_sha256, Sha256Digest::of(b"signed root 2"));
    assert!(trust_roots::current(&database, "globex").await.unwrap().is_none());
}

#[tokio::test]
async fn whoever_waits_for_a_position_is_woken_by_its_commit() {
    let database = database("progress").await.unwrap();
    let (progress, listener) = Progress::of(&database, &origin().unwrap());
    let stopping = CancellationToken::new();
    let mut listening = tokio::task::JoinSet::new();
    listening.spawn(listener.listen(stopping.clone()));
    let mut writer = writer(&database).await.unwrap();
    writer.write(&[submitted(1, "a").unwrap()]).await.unwrap();
    let patience = Duration::from_secs(20);
    progress.reached(1, patience).await.unwrap();
    let second = [submitted(2, "b").unwrap()];
    let (woken, written) = tokio::join!(progress.reached(2, patience), writer.write(&second));
    written.unwrap();
    woken.unwrap();
    assert_eq!(progress.served().to_string(), format!("{ORIGIN}:2"));
    let missed = progress.reached(3, Duration::ZERO).await.unwrap_err();
    assert_eq!((missed.served, missed.wanted), (2, 3));
    stopping.cancel();
    listening.join_next().await.unwrap().unwrap().unwrap();
}
