//! Given, when, then: agents.

use super::*;
use crate::given::by;
use cqrs_es::test::TestFramework;

fn enrolled() -> Enrolled {
    Enrolled { name: "edge".to_owned(), spiffe_id: "spiffe://a/tenant/acme/agent/edge".to_owned() }
}

#[test]
fn an_agent_is_enrolled_once() {
    let agent = TestFramework::<Agent>::with;
    agent(())
        .given_no_previous_events()
        .when(by("ops", AgentCommand::Enroll(enrolled())))
        .then_expect_events(vec![AgentEvent::Enrolled(enrolled())]);
    agent(())
        .given(vec![AgentEvent::Enrolled(enrolled())])
        .when(by("ops", AgentCommand::Enroll(enrolled())))
        .then_expect_error(AgentError::AlreadyExists);
}
