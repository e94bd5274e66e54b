//! What is kept is there again, and what may be forgotten goes.

use super::*;

fn agent() -> Result<SpiffeId, trust::names::NameError> {
    SpiffeId::of_agent("example.org", "acme", "edge-1")
}

fn source() -> Result<DataSourceId, trust::names::NameError> {
    "dsc_01j5a3z9xv7q0c4n8k2m6t1r3w".parse()
}

fn root(version: u64, digest: char) -> Result<RootRef, trust::encoding::EncodingError> {
    Ok(RootRef { version, sha256: digest.to_string().repeat(64).parse()? })
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, source) = (agent().unwrap(), source().unwrap());
    let time: Timestamp = "2026-11-20T07:00:00.000000Z".parse().unwrap();
    {
        let state = State::open(folder.path(), &agent).unwrap();
        state.raise_time_floor(time).unwrap();
        state.accept_root(root(3, 'a').unwrap()).unwrap();
        state.end(&source, (1, 7), Consumed::Kept).unwrap();
        state.end(&source, (1, 5), Consumed::Kept).unwrap();
    }
    let state = State::open(folder.path(), &agent).unwrap();
    assert_eq!(state.time_floor(), time);
    assert_eq!(state.fences(&source), BTreeMap::from([(1, 7)]));
    let rollback = state.accept_root(root(2, 'b').unwrap());
    assert!(matches!(rollback, Err(StateError::RootRollback { given: 2, accepted: 3 })));
    let mismatch = state.accept_root(root(3, 'b').unwrap());
    assert!(matches!(mismatch, Err(StateError::RootMismatch { version: 3 })));
    state.accept_root(root(4, 'b').unwrap()).unwrap();
}

fn begun(name: &str) -> Result<Begun, Box<dyn std::error::Error>> {
    let digest = Sha256Digest::of(name.as_bytes());
    let row = JournalRow {
        job: "job_01j5a3z9xv7q0c4n8k2m6t1r3w".parse()?,
        attempt: 1,
        job_sha256: digest,
        change: "chg_01j5a3z9xv7q0c4n8k2m6t1r3w".parse()?,
        change_sha256: digest,
        revision: 1,
        ordinal: 1,
        step_sha256: digest,
        fence: 1,
        dispatcher_epoch: 1,
        started_at: "2026-11-20T07:00:00.000000Z".parse()?,
    };
    Ok(Begun { row, xid: "7".to_owned(), unknown_result: Vec::new(), promised_seal: None })
}

#[test]
fn a_change_is_consumed_from_its_beginning_until_it_fails_clean_or_long_expired() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, source) = (agent().unwrap(), source().unwrap());
    let until: Timestamp = "2026-11-20T08:00:00.000000Z".parse().unwrap();
    let state = State::open(folder.path(), &agent).unwrap();
    for (name, consumed) in [("kept", Consumed::Kept), ("clean", Consumed::Released)] {
        state.begin(&source, begun(name).unwrap(), until).unwrap();
        assert!(state.consumed(&source).contains(&Sha256Digest::of(name.as_bytes())));
        state.end(&source, (1, 1), consumed).unwrap();
    }
    state.begin(&source, begun("crashed").unwrap(), until.plus_seconds(86_400)).unwrap();
    drop(state);
    let state = State::open(folder.path(), &agent).unwrap();
    let [kept, crashed, next] =
        ["kept", "crashed", "next"].map(|name| Sha256Digest::of(name.as_bytes()));
    assert_eq!(state.consumed(&source), BTreeSet::from([kept, crashed]));
    state.raise_time_floor(until.plus_seconds(CONSUMED_MARGIN_SECONDS)).unwrap();
    state.begin(&source, begun("next").unwrap(), until.plus_seconds(9_000_000)).unwrap();
    assert_eq!(state.consumed(&source), BTreeSet::from([crashed, next]));
}

#[test]
fn a_state_from_before_consumed_changes_were_kept_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let old = r#"{"format":"countersign-agent-state/1","agent":"spiffe://example.org/tenant/acme/agent/edge-1",
        "time_floor":null,"root":null,"fences":{},"begun":{},"attempts":[],"cancels":[]}"#;
    std::fs::write(folder.path().join("state.json"), old).unwrap();
    let state = State::open(folder.path(), &agent().unwrap()).unwrap();
    assert!(state.consumed(&source().unwrap()).is_empty());
}

#[test]
fn the_time_floor_never_falls() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path(), &agent().unwrap()).unwrap();
    let time: Timestamp = "2026-11-20T07:00:00.000000Z".parse().unwrap();
    state.raise_time_floor(time).unwrap();
    state.raise_time_floor(time.plus_seconds(-60)).unwrap();
    assert_eq!(state.time_floor(), time);
}

#[test]
fn only_one_agent_uses_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let agent = agent().unwrap();
    let first = State::open(folder.path(), &agent).unwrap();
    assert!(matches!(State::open(folder.path(), &agent), Err(StateError::InUse(_))));
    first.accept_root(root(1, 'a').unwrap()).unwrap();
    drop(first);
    let other = SpiffeId::of_agent("example.org", "acme", "edge-2").unwrap();
    let refused = State::open(folder.path(), &other);
    assert!(matches!(refused, Err(StateError::OtherAgent { .. })));
}

#[test]
fn a_damaged_state_is_not_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.json"), b"{\"format\":").unwrap();
    let refused = State::open(folder.path(), &agent().unwrap());
    assert!(matches!(refused, Err(StateError::Unreadable { .. })));
}
