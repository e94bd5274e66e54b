//! Every way in which a real server lets an operator weaken a stream is seen, by the name of its setting.

use bytes::Bytes;
use countersign_devkit::identities::{AGENTS_OPERATOR, CONTROL_OPERATOR, LOG_OPERATOR};
use countersign_devkit::nats_server::Agent;
use countersign_devkit::stack::SHARD;
use countersign_devkit::{Options, Stack};
use nats::inspect::{self, Inspected};
use nats::{Connection, subjects};
use serde_json::{Value, json};

async fn ask(operator: &Connection, verb: &str, name: &str, body: &Value) -> anyhow::Result<Value> {
    let subject = format!("$JS.API.STREAM.{verb}.{name}");
    let answer = operator.client().request(subject, Bytes::from(body.to_string())).await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    anyhow::ensure!(answer.get("error").is_none(), "{verb} {body}: {answer}");
    Ok(answer)
}

/// The settings of the stream that are not as wanted; `None` if it is missing.
fn weakened(inspected: &[Inspected], name: &str) -> Option<Vec<String>> {
    let found = inspected.iter().find(|one| one.name == name)?.found.as_ref()?;
    Some(found.differences.iter().map(|one| one.field.clone()).collect())
}

#[tokio::test]
async fn a_fresh_stack_differs_in_nothing_and_every_weakening_is_named() -> anyhow::Result<()> {
    let agent = Agent { tenant: "acme".to_owned(), name: "edge".to_owned() };
    let stack = Stack::start(Options { agents: vec![agent], ..Options::default() }).await?;
    let operator = stack.connect_service(LOG_OPERATOR).await?;
    let control = stack.connect_service(CONTROL_OPERATOR).await?;
    let agents = stack.connect_service(AGENTS_OPERATOR).await?;
    let all = [
        inspect::log(&operator, SHARD, 1).await?,
        inspect::control(&control, SHARD, 1).await?,
        inspect::agents(&agents, 1).await?,
    ]
    .concat();
    assert_eq!(all.len(), 10);
    for one in &all {
        assert_eq!(weakened(&all, &one.name), Some(Vec::new()), "{all:#?}");
    }
    let durables = inspect::durables(&agents, subjects::STREAM_JOBS).await?;
    assert_eq!(durables.len(), 1);
    assert_eq!((durables[0].name.as_str(), durables[0].waiting), ("acme_edge", 0));
    assert!(inspect::saved_positions(&control).await?.is_empty());

    let name = subjects::checkpoints_stream(SHARD)?;
    let wanted = ask(&operator, "INFO", &name, &json!({})).await?["config"].take();
    for (setting, value) in [
        ("max_msgs", json!(10)),
        ("max_age", json!(3_600_000_000_000_u64)),
        ("max_bytes", json!(1_000_000)),
        ("max_msgs_per_subject", json!(1)),
        ("max_msg_size", json!(100)),
        ("discard", json!("old")),
        ("retention", json!("workqueue")),
        ("storage", json!("memory")),
        ("deny_delete", json!(false)),
        ("deny_purge", json!(false)),
        ("allow_msg_ttl", json!(true)),
        ("subjects", json!(["cs.checkpoints.>"])),
        ("sources", json!([{"name": "ELSEWHERE"}])),
        ("republish", json!({"src": ">", "dest": "elsewhere.>"})),
        ("subject_transform", json!({"src": "cs.checkpoints.main", "dest": "cs.checkpoints.x"})),
        ("no_ack", json!(true)),
        ("max_consumers", json!(1)),
        ("allow_direct", json!(false)),
    ] {
        ask(&operator, "DELETE", &name, &json!({})).await?;
        let mut weaker = wanted.clone();
        weaker[setting] = value;
        ask(&operator, "CREATE", &name, &weaker).await?;
        let found = weakened(&inspect::log(&operator, SHARD, 1).await?, &name);
        assert_eq!(found, Some(vec![setting.to_owned()]), "{setting}");
    }
    ask(&operator, "DELETE", &name, &json!({})).await?;
    let mut weaker = wanted.clone();
    weaker["allow_rollup_hdrs"] = json!(true);
    weaker["deny_purge"] = json!(false);
    ask(&operator, "CREATE", &name, &weaker).await?;
    let found = weakened(&inspect::log(&operator, SHARD, 1).await?, &name);
    assert_eq!(found, Some(vec!["allow_rollup_hdrs".to_owned(), "deny_purge".to_owned()]));
    ask(&operator, "DELETE", &name, &json!({})).await?;
    assert_eq!(weakened(&inspect::log(&operator, SHARD, 1).await?, &name), None);
    stack.stop().await;
    Ok(())
}
