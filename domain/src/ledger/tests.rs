//! Given, when, then: the log's own story.

use super::*;
use crate::given::by;
use cqrs_es::test::TestFramework;

fn opened() -> Opened {
    Opened { nonce: "0".repeat(64), spec: 1, shard: "main".to_owned(), predecessor: None }
}

#[test]
fn a_log_is_opened_once() {
    let log = TestFramework::<Log>::with;
    log(())
        .given_no_previous_events()
        .when(by("ops", LogCommand::Open(opened())))
        .then_expect_events(vec![LogEvent::Opened(opened())]);
    log(())
        .given(vec![LogEvent::Opened(opened())])
        .when(by("ops", LogCommand::Open(opened())))
        .then_expect_error(LogError::AlreadyOpen);
}
