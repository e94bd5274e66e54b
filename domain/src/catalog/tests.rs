//! Given, when, then: data sources and their schema lock.

use super::*;
use crate::given::by;
use crate::ids::AgentId;
use cqrs_es::test::TestFramework;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn data_source() -> TestFramework<DataSource> {
    TestFramework::with(())
}

fn registered() -> Registered {
    Registered {
        name: "orders".to_owned(),
        engine: "postgresql".to_owned(),
        environment: "dev".to_owned(),
        agent: AgentId::derived("agent", &["1"]),
        agent_name: "edge".to_owned(),
        labels: BTreeMap::new(),
    }
}

fn created() -> DataSourceEvent {
    DataSourceEvent::Created(registered())
}

fn change(name: &str) -> ChangeId {
    ChangeId::derived("change", &[name])
}

fn request(name: &str) -> DataSourceCommand {
    DataSourceCommand::RequestLock { change: change(name) }
}

fn release(name: &str) -> DataSourceCommand {
    DataSourceCommand::ReleaseLock { change: change(name) }
}

fn granted(name: &str, fence: u64) -> DataSourceEvent {
    DataSourceEvent::LockGranted { change: change(name), fence }
}

fn queued(name: &str) -> DataSourceEvent {
    DataSourceEvent::LockQueued { change: change(name) }
}

#[test]
fn a_name_is_registered_once() {
    data_source()
        .given_no_previous_events()
        .when(by("ops", DataSourceCommand::Register(registered())))
        .then_expect_events(vec![created()]);
    data_source()
        .given(vec![created()])
        .when(by("ops", DataSourceCommand::Register(registered())))
        .then_expect_error(DataSourceError::AlreadyExists);
}

#[test]
fn a_data_source_that_does_not_exist_has_no_lock() {
    data_source()
        .given_no_previous_events()
        .when(by("flow", request("a")))
        .then_expect_error(DataSourceError::NotFound);
}

#[test]
fn a_free_lock_is_granted_and_a_held_one_is_waited_for() {
    data_source()
        .given(vec![created()])
        .when(by("flow", request("a")))
        .then_expect_events(vec![granted("a", 1)]);
    data_source()
        .given(vec![created(), granted("a", 1)])
        .when(by("flow", request("b")))
        .then_expect_events(vec![queued("b")]);
}

#[test]
fn nobody_waits_twice() {
    for (name, story) in [
        ("a", vec![created(), granted("a", 1)]),
        ("b", vec![created(), granted("a", 1), queued("b")]),
    ] {
        data_source()
            .given(story)
            .when(by("flow", request(name)))
            .then_expect_error(DataSourceError::AlreadyWaiting);
    }
}

#[test]
fn a_released_lock_goes_to_the_next_in_line_with_a_higher_fence() {
    let released = DataSourceEvent::LockReleased { change: change("a"), fence: Some(1) };
    data_source()
        .given(vec![created(), granted("a", 1), queued("b"), queued("c")])
        .when(by("flow", release("a")))
        .then_expect_events(vec![released, granted("b", 2)]);
}

#[test]
fn who_only_waits_leaves_the_line() {
    let left = DataSourceEvent::LockReleased { change: change("b"), fence: None };
    data_source()
        .given(vec![created(), granted("a", 1), queued("b")])
        .when(by("flow", release("b")))
        .then_expect_events(vec![left]);
}

#[test]
fn a_lock_is_released_by_its_holder_only_and_once() {
    for story in [
        vec![created()],
        vec![created(), granted("b", 1)],
        vec![
            created(),
            granted("a", 1),
            DataSourceEvent::LockReleased { change: change("a"), fence: Some(1) },
        ],
    ] {
        data_source()
            .given(story)
            .when(by("flow", release("a")))
            .then_expect_error(DataSourceError::NotHolder);
    }
}

#[test]
fn the_line_has_an_end() {
    let mut story = vec![created(), granted("holder", 1)];
    story.extend((0..MAX_WAITING).map(|n| queued(&n.to_string())));
    data_source()
        .given(story)
        .when(by("flow", request("late")))
        .then_expect_error(DataSourceError::QueueFull);
}

proptest! {
    #[test]
    fn at_most_one_change_holds_the_lock_and_its_fence_only_grows(script in proptest::collection::vec((any::<bool>(), 0_u8..5), 0..60)) {
        let mut state = DataSource::default();
        state.evolve(created());
        let mut last = 0;
        for (ask, who) in script {
            let name = who.to_string();
            let command = if ask { request(&name) } else { release(&name) };
            for event in state.decide(by("flow", command)).unwrap_or_default() {
                if let DataSourceEvent::LockGranted { fence, .. } = &event {
                    prop_assert!(state.lock.is_none(), "granted while held");
                    prop_assert!(*fence > last);
                    last = *fence;
                }
                state.evolve(event);
            }
            prop_assert!(state.lock.is_some() || state.waiting.is_empty(), "somebody waits for a free lock");
        }
    }
}
