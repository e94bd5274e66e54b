//! The input matrix: every operation of both documents against everything that nobody should send.
//!
//! No answer is a 5xx, every status is one that the document names, every problem has its code, and the log does not
//! grow by anything that was refused.

mod foreigners;
mod operations;

use anyhow::Context as _;
use operations::Operation;
use reqwest::Method;
use scenario::Platform;
use scenario::change::{submit, wait_for};
use scenario::http::settled_length;
use scenario::running::platform;
use scenario::scratch::Scratch;
use scenario::tunnel::Tunnel;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

const JSON: &str = "application/json";
/// More than any route takes.
const OVERSIZED: usize = 13 << 20;
const NESTED: usize = 2_000;
/// The tests of this file count the log's commits, each alone.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Somebody at an API: a person by token, or a service by its SVID.
struct Caller {
    name: &'static str,
    base: String,
    header: (&'static str, String),
    _tunnel: Option<Tunnel>,
}

/// What is sent, beside the operation.
#[derive(Default)]
struct Hostile {
    what: String,
    path: Option<String>,
    query: Option<String>,
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
    /// It may be answered as well: a filter by a name that nothing has.
    may_pass: bool,
    /// The code that it must be refused with.
    code: Option<&'static str>,
}

impl Hostile {
    fn body(what: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { what: what.to_owned(), body: Some(body.into()), ..Self::default() }
    }

    fn header(what: &str, name: &'static str, value: &str) -> Self {
        let headers = vec![(name, value.to_owned())];
        Self { what: what.to_owned(), headers, ..Self::default() }
    }

    /// Refused for this and nothing else: the body is one that the operation takes.
    fn only(code: &'static str, name: &'static str, value: &str, body: &str) -> Self {
        let header = Self::header(code, name, value);
        Self { code: Some(code), body: Some(body.as_bytes().to_vec()), ..header }
    }
}

/// What exists, by the name of the parameter that names it.
struct World {
    client: reqwest::Client,
    known: BTreeMap<&'static str, String>,
}

impl World {
    async fn of(platform: &Platform) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let file = scratch.file("matrix.sql", "CREATE TABLE public.matrix (id bigint);\n")?;
        let change = submit(platform, "the matrix", &file).await?;
        let story = wait_for(platform, &change, "pending_approval").await?;
        let check = story.jobs.first().context("no job")?.job.clone();
        let pending = story.change;
        let source = platform.target()?.id.clone();
        let known = BTreeMap::from([
            ("change_id", change),
            ("approval_id", pending.approval.context("no approval")?),
            ("data_source_id", source.clone()),
            ("id_or_name", "shop".to_owned()),
            ("log", "dev.countersign.test-main".to_owned()),
            ("sequence", "1".to_owned()),
            ("tenant", "acme".to_owned()),
            ("sha256", pending.change_sha256.context("no manifest")?),
            ("job_id", check.id),
            ("agent_id", check.agent_id),
            ("principal_id", pending.author),
        ]);
        Ok(Self { client: reqwest::Client::builder().no_proxy().build()?, known })
    }

    fn filled(&self, operation: &Operation) -> String {
        operation.filled(|name| self.known.get(name).cloned().unwrap_or_default())
    }

    /// Sends it; the status and the problem's code.
    async fn ask(
        &self,
        caller: &Caller,
        operation: &Operation,
        hostile: &Hostile,
    ) -> anyhow::Result<(u16, Value)> {
        let path = hostile.path.clone().unwrap_or_else(|| self.filled(operation));
        let query = hostile.query.as_deref().unwrap_or_default();
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes())?;
        let url = format!("{}{path}{query}", caller.base);
        let mut request = self.client.request(method, url);
        let mut headers = BTreeMap::from([(caller.header.0, caller.header.1.clone())]);
        if operation.method != "get" {
            headers.insert("idempotency-key", uuid::Uuid::now_v7().to_string());
            headers.insert("content-type", JSON.to_owned());
            request = request.body(hostile.body.clone().unwrap_or_else(|| b"{}".to_vec()));
        }
        headers.extend(hostile.headers.iter().map(|(name, value)| (*name, value.clone())));
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value.as_bytes());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
        Ok((status, body))
    }
}

/// What is wrong with an answer to what nobody should send.
fn verdict(operation: &Operation, case: &Hostile, status: u16, body: &Value) -> Option<String> {
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    let wrong = match status {
        400..=499 if !operation.statuses.contains(&status) => "a status that is not documented",
        400..=499 if code.is_empty() => "no code",
        400..=499 if case.code.is_some_and(|wanted| wanted != code) => "another code",
        400..=499 => return None,
        200..=299 if case.may_pass && operation.statuses.contains(&status) => return None,
        200..=399 => "accepted",
        _ => "a server error",
    };
    Some(format!("{wrong}: {status} {body}"))
}

async fn callers(platform: &Platform, api: &str) -> anyhow::Result<Vec<Caller>> {
    let card = &platform.card;
    let public = if api == "command-api" { &card.command_api } else { &card.query_api };
    let mut callers = Vec::new();
    for name in ["ada", "bob", "auditor"] {
        let token = card.tokens.get(name).context("no such person")?;
        let header = ("authorization", format!("Bearer {token}"));
        callers.push(Caller { name, base: public.clone(), header, _tunnel: None });
    }
    let services: &[&'static str] =
        if api == "command-api" { &["workflows", "operator"] } else { &[] };
    for name in services {
        let tunnel = Tunnel::of(platform, name).await?;
        let (base, header) = (tunnel.base().to_owned(), ("cs-tenant", "acme".to_owned()));
        callers.push(Caller { name, base, header, _tunnel: Some(tunnel) });
    }
    Ok(callers)
}

/// Bodies that no command takes.
fn bodies(operation: &Operation) -> Vec<Hostile> {
    let deep_list = format!("{}{}", "[".repeat(NESTED), "]".repeat(NESTED));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(NESTED), "}".repeat(NESTED));
    let inside = format!("{{\"a\":{deep_object}}}");
    let mut cases = vec![
        Hostile::body("nothing", ""),
        Hostile::body("half an object", "{"),
        Hostile::body("two objects", "{}{}"),
        Hostile::body("a list", "[]"),
        Hostile::body("null", "null"),
        Hostile::body("a text", "\"text\""),
        Hostile::body("not a number", "{\"a\":NaN}"),
        Hostile::body("not UTF-8", b"{\"a\":\"\xff\xfe\"}".to_vec()),
        Hostile::body("half a surrogate", "{\"\\ud800\":1}"),
        Hostile::body("deep lists", deep_list),
        Hostile::body("deep objects", deep_object),
        Hostile::body("deep objects inside", inside),
        Hostile::body("an unknown member", "{\"surprise\":1}"),
        Hostile::body("one member twice", "{\"surprise\":1,\"surprise\":1}"),
        Hostile::body("oversized", vec![b' '; OVERSIZED]),
    ];
    for body in operation.wrongly_typed() {
        cases.push(Hostile::body("a member of a wrong type", body.to_string()));
    }
    for body in operation.incomplete() {
        cases.push(Hostile::body("a member is missing", body.to_string()));
    }
    cases
}

/// A body that the operation takes, where one can be written down: what else is wrong is then the only thing wrong.
fn valid(path: &str) -> &'static str {
    match path {
        "/v1/changes" => r#"{"data_source":"shop","title":"t","sql":"U0VMRUNUIDE7"}"#,
        "/v1/agents" => r#"{"name":"edge-9"}"#,
        "/v1/data-sources" => {
            r#"{"name":"nine","engine":"postgresql","environment":"dev","agent":"edge"}"#
        }
        "/v1/principals" => r#"{"kind":"person","name":"Nina","roles":["author"]}"#,
        "/v1/tenants" => r#"{"slug":"nine","name":"Nine"}"#,
        _ => "{}",
    }
}

/// Paths, queries and headers that no operation takes.
fn surroundings(operation: &Operation) -> Vec<Hostile> {
    let mut cases = Vec::new();
    if !operation.in_path.is_empty() {
        let long = "x".repeat(5_000);
        for word in ["x", "%00", "%ff", "..%2f..", "%F0%9F%A6%80", "chg_", "CHG_0", &long] {
            let path = Some(operation.filled(|_| word.to_owned()));
            cases.push(Hostile { what: format!("{word:.20} as id"), path, ..Hostile::default() });
        }
    }
    if operation.method == "get" {
        let query = |text: &str| Hostile {
            what: text.to_owned(),
            query: Some(text.to_owned()),
            ..Hostile::default()
        };
        for name in &operation.in_query {
            cases.extend(["?surprise=1", "?=", "?%ff=%ff"].map(query));
            cases.push(query(&format!("?{name}=a&{name}=b")));
            cases.push(Hostile { may_pass: true, ..query(&format!("?{name}=%00")) });
        }
        cases.push(Hostile::header("no position", "cs-min-position", "tomorrow"));
        cases.push(Hostile::header("a huge position", "cs-min-position", &"9".repeat(400)));
        cases.push(Hostile::header("another log's position", "cs-min-position", "other.log:1"));
    } else {
        let body = valid(&operation.path);
        cases.extend(
            [
                ("http.idempotency_key_missing", "idempotency-key", ""),
                ("http.idempotency_key_malformed", "idempotency-key", &"k".repeat(2_000)),
                ("http.unsupported_media_type", "content-type", "text/html"),
                ("http.if_match_malformed", "if-match", "W/\"1\""),
                ("http.if_match_malformed", "if-match", "one"),
                ("http.cause_malformed", "cs-causation-id", "yesterday"),
                ("http.cause_malformed", "cs-correlation-id", &"c".repeat(2_000)),
            ]
            .map(|(code, name, value)| Hostile::only(code, name, value, body)),
        );
    }
    cases.push(Hostile::header("no token", "authorization", "Bearer"));
    cases.push(Hostile::header("a forged token", "authorization", "Bearer cst_acme_0_0"));
    // A log is of no tenant.
    let may_pass = ["/v1/logs/", "/log/"].iter().any(|log| operation.path.starts_with(log));
    for tenant in ["No Slug", "globex"] {
        let other = Hostile::header("another tenant", "cs-tenant", tenant);
        cases.push(Hostile { may_pass, ..other });
    }
    cases
}

/// Whether the caller comes as far as the operation: the others are refused before the body is read.
async fn may(world: &World, caller: &Caller, operation: &Operation) -> anyhow::Result<bool> {
    let probe = Hostile::body("a probe", "{");
    let (status, body) = world.ask(caller, operation, &probe).await?;
    anyhow::ensure!((200..500).contains(&status), "{}: {status} {body}", operation.path);
    Ok(status != 403 && status != 401)
}

async fn attacked(api: &str) -> anyhow::Result<Vec<String>> {
    let _alone = ALONE.lock().await;
    let platform = platform("input-matrix").await?;
    let world = World::of(platform).await?;
    let callers = callers(platform, api).await?;
    let base = &callers.first().context("nobody")?.base;
    let document: Value =
        world.client.get(format!("{base}/openapi.json")).send().await?.json().await?;
    let before = settled_length(platform).await?;
    let (mut findings, mut sent) = (Vec::new(), 0);
    for operation in Operation::all(&document)? {
        let mut let_in = Vec::new();
        for caller in &callers {
            if may(&world, caller, &operation).await? {
                let_in.push(caller);
            }
        }
        let name = format!("{} {}", operation.method, operation.path);
        let Some(caller) = let_in.first() else {
            findings.push(format!("{name}: nobody is let in"));
            continue;
        };
        let hostile = if operation.body.is_some() { bodies(&operation) } else { Vec::new() };
        for case in hostile.into_iter().chain(surroundings(&operation)) {
            // A person's own header replaces a service's place, and the other way round.
            let foreign = case.headers.iter().any(|(name, _)| *name == "authorization");
            if foreign && caller.header.0 != "authorization" {
                continue;
            }
            let (status, body) = world
                .ask(caller, &operation, &case)
                .await
                .with_context(|| format!("{name}, {} by {}", case.what, caller.name))?;
            sent += 1;
            if let Some(wrong) = verdict(&operation, &case, status, &body) {
                let sent = case.body.map_or(String::new(), |body| {
                    String::from_utf8_lossy(&body).chars().take(300).collect()
                });
                findings.push(format!("{name}, {} by {}: {wrong} {sent}", case.what, caller.name));
            }
        }
    }
    let after = settled_length(platform).await?;
    if after != before {
        findings.push(format!("{} commits were appended", after - before));
    }
    anyhow::ensure!(sent > 250, "only {sent} requests were made for {api}");
    Ok(findings)
}

#[tokio::test]
async fn every_command_refuses_what_nobody_should_send() -> anyhow::Result<()> {
    let findings = attacked("command-api").await?;
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    Ok(())
}

#[tokio::test]
async fn every_read_refuses_what_nobody_should_ask() -> anyhow::Result<()> {
    let findings = attacked("query-api").await?;
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    Ok(())
}

/// Sends the same request several times at once, then once more, then with another body under the same key.
async fn repeated(
    world: &World,
    caller: &Caller,
    path: &str,
    (body, other): (&str, &str),
) -> anyhow::Result<Vec<String>> {
    let operation = Operation::command(path);
    let key = uuid::Uuid::now_v7().to_string();
    let sent = |body: &str| Hostile {
        body: Some(body.as_bytes().to_vec()),
        headers: vec![("idempotency-key", key.clone())],
        ..Hostile::default()
    };
    let (same, else_) = (sent(body), sent(other));
    let at_once = (0..6).map(|_| world.ask(caller, &operation, &same));
    let answers = futures::future::try_join_all(at_once).await?;
    let (status, receipt) = world.ask(caller, &operation, &same).await?;
    let mut findings = Vec::new();
    if !matches!(status, 201 | 202) {
        findings.push(format!("{path}: {status} {receipt}"));
    }
    for (status, answer) in answers {
        let in_flight = status == 409 && answer.get("code") == Some(&json!("http.in_flight"));
        if !in_flight && answer != receipt {
            findings.push(format!("{path}: {status} {answer}"));
        }
    }
    let (status, refused) = world.ask(caller, &operation, &else_).await?;
    if refused.get("code") != Some(&json!("http.idempotency_key_reused")) || status != 422 {
        findings.push(format!("{path} with another body: {status} {refused}"));
    }
    Ok(findings)
}

#[tokio::test]
async fn a_command_sent_many_times_under_one_key_is_one_commit() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    let platform = platform("input-matrix").await?;
    let world = World::of(platform).await?;
    let callers = callers(platform, "command-api").await?;
    let caller = |name: &str| callers.iter().find(|caller| caller.name == name).context("nobody");
    let draft = r#"{"data_source":"shop","title":"a draft","sql":"U0VMRUNUIDE7"}"#;
    let (_, receipt) = world
        .ask(caller("ada")?, &Operation::command("/v1/changes"), &Hostile::body("", draft))
        .await?;
    let change = receipt.pointer("/aggregate/id").and_then(Value::as_str).context("no change")?;
    let (submit, cancel) =
        (format!("/v1/changes/{change}/submit"), format!("/v1/changes/{change}/cancel"));
    let source = |team: &str| {
        json!({"name": "one", "engine": "postgresql", "environment": "dev", "agent": "edge",
            "labels": {"team": team}})
        .to_string()
    };
    for name in ["workflows", "agent"] {
        platform.service(name).context("no such process")?.pause()?;
    }
    let before = settled_length(platform).await?;
    let cases: [(&str, &str, (&str, &str)); 7] = [
        (
            "ada",
            "/v1/changes",
            (draft, r#"{"data_source":"shop","title":"x","sql":"U0VMRUNUIDI7"}"#),
        ),
        ("ada", &submit, ("{}", "{ }")),
        ("ada", &cancel, ("{}", "{ }")),
        ("ada", "/v1/agents", (r#"{"name":"edge-2"}"#, r#"{"name": "edge-2"}"#)),
        ("ada", "/v1/data-sources", (&source("a"), &source("b"))),
        (
            "operator",
            "/v1/principals",
            (
                r#"{"kind":"person","name":"Eve","roles":["author"]}"#,
                r#"{"kind":"person","name":"Eve","roles":["approver"]}"#,
            ),
        ),
        (
            "operator",
            "/v1/tenants",
            (r#"{"slug":"initech","name":"I"}"#, r#"{"slug":"initech","name":"J"}"#),
        ),
    ];
    let mut findings = Vec::new();
    for (who, path, (body, other)) in &cases {
        findings.extend(repeated(&world, caller(who)?, path, (body, other)).await?);
    }
    let appended = settled_length(platform).await? - before;
    for name in ["workflows", "agent"] {
        platform.service(name).context("no such process")?.resume()?;
    }
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(appended, u64::try_from(cases.len())?, "one commit for each command");
    Ok(())
}
