//! One trace holds a whole change: HTTP, commands of workflows, job, result, read models.

use anyhow::Context as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use prost::Message as _;
use scenario::change::{approve, get, submit, wait_for};
use scenario::platform::Platform;
use scenario::scratch::Scratch;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_mins(1);
const SQL: &str = "CREATE TABLE public.nobody_logs_this (id bigint);\n\
    DO $$ BEGIN RAISE NOTICE 'nobody_logs_this_either'; END $$;\n";

/// A span as it came: process, name, trace, span, parent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    process: String,
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: String,
    /// Nanoseconds since 1970.
    begun: u64,
    ended: u64,
}

type Spans = Arc<Mutex<Vec<Seen>>>;

fn take_in(spans: &Spans, body: &[u8]) -> anyhow::Result<()> {
    for resource in ExportTraceServiceRequest::decode(body)?.resource_spans {
        let named = resource.resource.iter().flat_map(|it| &it.attributes);
        let named = named.filter(|it| it.key == "service.name");
        let process: String = named.filter_map(|it| text(it.value.as_ref()?)).collect();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let seen = Seen {
                process: process.clone(),
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                attributes: format!("{:?} {:?}", span.attributes, span.events),
                begun: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
            };
            spans.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        }
    }
    Ok(())
}

fn text(value: &AnyValue) -> Option<&str> {
    match value.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The tree of spans below one, each with when it began and how long it took, as people see it.
fn drawn(seen: &[Seen], parent: &str, depth: usize, from: u64, lines: &mut Vec<String>) {
    let mut below: Vec<&Seen> = seen.iter().filter(|span| span.parent == parent).collect();
    below.sort_by_key(|span| span.begun);
    for span in below {
        let (after, took) = ((span.begun - from) / 1_000, (span.ended - span.begun) / 1_000);
        let (process, name) = (&span.process, &span.name);
        let place = format!("{}{process}  {name}", "  ".repeat(depth));
        lines.push(format!(
            "{:>9.1} ms {:>7.1} ms  {place}",
            f64::from(u32::try_from(after).unwrap_or(u32::MAX)) / 1e3,
            f64::from(u32::try_from(took).unwrap_or(u32::MAX)) / 1e3
        ));
        drawn(seen, &span.id, depth + 1, from, lines);
    }
}

/// One connection of an exporter: requests with a length, each answered 200.
async fn serve(stream: TcpStream, spans: &Spans) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        take_in(spans, &body)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}

/// A collector on a free port, until it is dropped.
async fn collector(spans: &Spans) -> anyhow::Result<(String, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (spans, mut accepting) = (Arc::clone(spans), JoinSet::new());
    accepting.spawn(async move {
        let mut exporters = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let spans = Arc::clone(&spans);
            exporters.spawn(async move { serve(stream, &spans).await });
        }
    });
    Ok((url, accepting))
}

fn of_trace(spans: &Spans, trace: &str) -> Vec<Seen> {
    let spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
    spans.iter().filter(|span| span.trace == trace).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a trace is to be looked at")]
async fn one_trace_shows_the_whole_change() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let (spans, scratch) = (Spans::default(), Scratch::new()?);
    let (url, _collector) = collector(&spans).await?;
    let platform = Platform::start_traced(&scratch.path().join("d"), &url).await?;
    let change = submit(&platform, "traced", &scratch.file("a.sql", SQL)?).await?;
    wait_for(&platform, &change, "pending_approval").await?;
    for person in ["bob", "cyd"] {
        approve(&platform, person, &change).await?;
    }
    wait_for(&platform, &change, "applied").await?;
    let traceparent = get(&platform, &change).await?.change.traceparent;
    let trace = traceparent.split('-').nth(1).context("no trace id")?.to_owned();
    // Each process sends its spans when it ends at the latest.
    let folder = platform.stop().await?.data_dir.join("logs");
    let mut logs = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        logs.push((name, std::fs::read_to_string(file.path())?));
    }

    let wanted = [
        ("command-api", "POST /v1/changes"),
        ("command-api", "POST /v1/approvals/{approval_id}/decisions"),
        ("command-api", "POST /v1/jobs/{job_id}/record-result"),
        ("workflows", "issue"),
        ("workflows", "send_job"),
        ("agent", "job"),
        ("projections", "project"),
    ];
    let until = Instant::now() + PATIENCE;
    let missing = loop {
        let seen = of_trace(&spans, &trace);
        let is_there = |(process, name): &(&str, &str)| {
            seen.iter().any(|it| it.process == *process && it.name == *name)
        };
        let missing: Vec<_> = wanted.iter().filter(|it| !is_there(it)).collect();
        if missing.is_empty() || Instant::now() > until {
            break format!("{missing:?}");
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(missing, "[]");
    let seen = of_trace(&spans, &trace);
    let ids: BTreeSet<&str> = seen.iter().map(|span| span.id.as_str()).collect();
    let orphans: Vec<&Seen> = seen
        .iter()
        .filter(|span| !span.parent.is_empty() && !ids.contains(span.parent.as_str()))
        .collect();
    assert!(orphans.is_empty(), "{orphans:#?}");
    assert_eq!(seen.iter().filter(|span| span.parent.is_empty()).count(), 1, "one root: {seen:#?}");
    assert!(seen.iter().all(|span| !span.attributes.contains("nobody_logs_this")));
    let mut lines = vec!["    begins      took  what".to_owned()];
    drawn(&seen, "", 0, seen.iter().map(|span| span.begun).min().unwrap_or(0), &mut lines);
    assert_eq!(lines.len(), seen.len() + 1, "every span is in the tree");
    eprintln!("{}", lines.join("\n"));
    for process in ["command-api", "workflows", "agent"] {
        let named =
            logs.iter().any(|(name, log)| name.starts_with(process) && log.contains(&trace));
        assert!(named, "the log of {process} names the trace");
    }
    let told = logs.iter().find(|(_, log)| log.contains("nobody_logs_this"));
    assert_eq!(told.map(|(name, _)| name), None, "logs hold neither SQL nor what a database says");
    Ok(())
}
