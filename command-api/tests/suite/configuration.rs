//! Attack 15: somebody who may, weakens a stream of the log. The log records it, an alarm is raised, doctor finds it.

use crate::world::World;
use anyhow::Context as _;
use chassis::Clock;
use countersign_command_api::ConfigurationWatch;
use devkit::identities;
use devkit::stack::SHARD;
use domain::ledger::{ConfigurationChanged, LogEvent};
use domain::registry::Event;
use ledger::Envelope;
use metrics_exporter_prometheus::PrometheusBuilder;
use nats::{Connection, inspect};
use serde_json::{Value, json};

/// Changes settings of a stream, as an operator may.
async fn update(operator: &Connection, stream: &str, settings: Value) -> anyhow::Result<()> {
    let ask = async |subject: String, body: Value| -> anyhow::Result<Value> {
        let answer = operator.client().request(subject, body.to_string().into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        anyhow::ensure!(answer.get("error").is_none(), "{answer}");
        Ok(answer)
    };
    let info = ask(format!("$JS.API.STREAM.INFO.{stream}"), json!({})).await?;
    let mut config =
        info.get("config").and_then(Value::as_object).cloned().context("a configuration")?;
    config.extend(settings.as_object().cloned().context("settings")?);
    ask(format!("$JS.API.STREAM.UPDATE.{stream}"), Value::Object(config)).await?;
    Ok(())
}

/// Every configuration that the log records, in its order.
async fn recorded(world: &World) -> anyhow::Result<Vec<ConfigurationChanged>> {
    let mut found = Vec::new();
    for message in world.log.reader().stored_after(0, 256).await? {
        let envelope = Envelope::parse(&message.payload)?;
        for event in &envelope.events {
            let kind = (envelope.aggregate.kind.as_str(), event.kind.as_str());
            let event = Event::read(kind.0, kind.1, event.schema, &event.data)?;
            if let Event::Log(LogEvent::ConfigurationChanged(changed)) = event {
                found.push(changed);
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn a_weakened_stream_is_recorded_alarmed_and_found_and_so_is_its_mending() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::start().await.unwrap();
    let operator = world.stack.connect_service(identities::LOG_OPERATOR).await.unwrap();
    let id = identities::service(identities::COMMAND_API).unwrap();
    let mut watch = ConfigurationWatch::new(world.log.clone(), Clock::system(), &id);
    let gauge = |stream: &str, weaknesses: u32| {
        let line = format!("countersign_log_weaknesses{{stream=\"{stream}\"}} {weaknesses}");
        let text = metrics.render();
        assert!(text.lines().any(|it| it == line), "{line}:\n{text}");
    };

    // How it begins is recorded once.
    watch.look().await.unwrap();
    let first = recorded(&world).await.unwrap();
    let streams: Vec<_> = first.iter().map(|one| one.stream.as_str()).collect();
    assert_eq!(streams, ["CS_LOG_main", "CS_BLOBS_main", "CS_CHECKPOINTS_main"]);
    assert!(first.iter().all(|one| one.weaknesses.is_empty()));
    assert_eq!(first[0].configuration.get("deny_delete").map(String::as_str), Some("true"));
    gauge("CS_LOG_main", 0);
    watch.look().await.unwrap();
    assert_eq!(recorded(&world).await.unwrap().len(), 3, "nothing changed");

    // Weakened: the server takes it although deletion is denied.
    let weak = json!({"max_msgs": 100_000, "max_age": 3_600_000_000_000_i64, "discard": "old",
        "republish": {"src": "cs.log.>", "dest": "elsewhere.>"}});
    update(&operator, "CS_LOG_main", weak).await.unwrap();
    watch.look().await.unwrap();
    let then = recorded(&world).await.unwrap();
    let changed = &then[3..];
    assert_eq!(changed.len(), 1);
    let named = ["discard", "max_age", "max_msgs", "republish"];
    assert_eq!(
        (changed[0].stream.as_str(), &changed[0].weaknesses[..]),
        ("CS_LOG_main", &named.map(str::to_owned)[..])
    );
    assert_eq!(changed[0].configuration.get("max_msgs").map(String::as_str), Some("100000"));
    gauge("CS_LOG_main", 4);
    gauge("CS_BLOBS_main", 0);

    // Doctor judges by the same function.
    let inspected = inspect::log(&operator, SHARD, 1).await.unwrap();
    let log = inspected.iter().find(|one| one.name == "CS_LOG_main").unwrap();
    let found = log.found.as_ref().unwrap().differences.iter();
    let found: Vec<_> = found.filter(|one| nats::Weakness::of(&one.field).is_some()).collect();
    assert_eq!(found.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), named);

    // Put back, it is recorded too; and weakened a second time in the same way it is a new record.
    let strong = json!({"max_msgs": -1, "max_age": 0, "discard": "new", "republish": null});
    for (settings, weaknesses) in [(&strong, 0), (&json!({"max_msgs_per_subject": 5_000}), 1)] {
        update(&operator, "CS_LOG_main", settings.clone()).await.unwrap();
        watch.look().await.unwrap();
        gauge("CS_LOG_main", weaknesses);
    }
    let strong = json!({"max_msgs_per_subject": -1});
    update(&operator, "CS_LOG_main", strong).await.unwrap();
    watch.look().await.unwrap();
    let last = recorded(&world).await.unwrap();
    assert_eq!(last.len(), 7);
    assert_eq!((&last[4].digest, &last[6].digest), (&first[0].digest, &first[0].digest));

    // Another process of the service records nothing twice.
    let mut other = ConfigurationWatch::new(world.log.clone(), Clock::system(), &id);
    other.look().await.unwrap();
    assert_eq!(recorded(&world).await.unwrap().len(), 7);
    world.stop().await;
}
