//! Search over a real log, a real index and the real worker between them.

use crate::world::{Got, ORIGIN, World, change, person};
use domain::identity::Role;
use serde_json::Value;

const PATH: &str = "/v1/audit/events";

/// Action and entity of every hit.
fn found(got: &Got) -> Vec<(String, String)> {
    let body = got.json().unwrap_or_default();
    let text = |hit: &Value, name: &str| {
        hit.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let items = body.get("items").and_then(Value::as_array).into_iter().flatten();
    items.map(|hit| (text(hit, "action"), text(hit, "entity"))).collect()
}

#[tokio::test]
async fn what_happened_is_found_by_words_fields_and_times_in_its_tenant_alone() {
    let world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", &[Role::Author]).await.unwrap();
    let eve = world.admit("globex", "eve", &[Role::Author]).await.unwrap();
    let auditor = world.admit("system", "audrey", &[Role::Auditor]).await.unwrap();
    world.draft("invoice ledger").await.unwrap();
    world.draft("other").await.unwrap();
    let last = world.submit("invoice ledger").await.unwrap();
    let (drafted, submitted) = ("schema.drafted".to_owned(), "schema.requested".to_owned());
    let (one, other) = (change("invoice ledger").to_string(), change("other").to_string());

    // Words of the title, of the SQL, of the name of who acted; phrases, prefixes and what must not occur.
    for (query, expected) in [
        ("invoice", vec![(drafted.clone(), one.clone())]),
        ("%22invoice+ledger%22", vec![(drafted.clone(), one.clone())]),
        ("%22ledger+invoice%22", vec![]),
        (&last.hash.to_string().replace(':', "%20"), vec![(submitted.clone(), one.clone())]),
        ("invo*", vec![(drafted.clone(), one.clone())]),
        ("create+table", vec![(drafted.clone(), other.clone()), (drafted.clone(), one.clone())]),
        ("create+-invoice", vec![(drafted.clone(), other.clone())]),
        (
            &format!("entity:{one}"),
            vec![(submitted.clone(), one.clone()), (drafted.clone(), one.clone())],
        ),
        ("ada+action:schema.*+type:change+-other+-invoice", vec![(submitted.clone(), one.clone())]),
    ] {
        let got = world.read(&format!("{PATH}?q={query}"), &ada, &last).await.unwrap();
        assert_eq!(found(&got), expected, "{query}");
        assert_eq!(got.header("cs-position"), format!("{ORIGIN}:{}", last.sequence));
    }

    // The words are marked where they are.
    let got = world.read(&format!("{PATH}?q=invoice"), &ada, &last).await.unwrap().json().unwrap();
    let fragments = got["items"][0]["fragments"].as_array().unwrap();
    let marked: Vec<_> = fragments.iter().filter(|f| f["matches"] == true).collect();
    assert_eq!(marked.len(), 1, "{fragments:?}");
    assert_eq!(marked[0]["text"], "invoice");

    // Nobody sees another tenant's, whatever they ask; auditors of the whole log see every tenant's.
    assert_eq!(found(&world.read(&format!("{PATH}?q=invoice"), &eve, &last).await.unwrap()), []);
    let own = world.read(PATH, &eve, &last).await.unwrap().json().unwrap();
    let tenants: Vec<_> =
        own["items"].as_array().unwrap().iter().map(|hit| &hit["tenant"]).collect();
    assert_eq!(tenants, ["globex", "globex"]);
    let foreign = world.get(&format!("{PATH}?tenant=acme"), Some(&eve), &[]).await.unwrap();
    assert_eq!(foreign.problem(), (403, "auth.wrong_tenant".to_owned()));
    let every = world.read(&format!("{PATH}?q=invoice"), &auditor, &last).await.unwrap();
    assert_eq!(found(&every), [(drafted.clone(), one.clone())]);
    let none = format!("{PATH}?q=invoice&tenant=globex");
    assert_eq!(found(&world.read(&none, &auditor, &last).await.unwrap()), []);

    // Page after page, newest first, and counted.
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("{PATH}?page_size=2&facets=true&type=change{token}");
        let got = world.read(&path, &ada, &last).await.unwrap();
        let body = got.json().unwrap();
        assert_eq!(body["facets"]["actions"][0]["value"], "schema.drafted");
        assert_eq!(body["facets"]["actions"][0]["count"], 2);
        assert_eq!(body["facets"]["actors"][0]["value"], person("ada").to_string());
        seen.extend(found(&got));
        match body["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [(submitted, one.clone()), (drafted.clone(), other), (drafted, one)]);
    let time = got["items"][0]["at"].as_str().unwrap();
    let early = format!("{PATH}?type=change&until={time}");
    assert_eq!(found(&world.read(&early, &ada, &last).await.unwrap()), []);
    let late = format!("{PATH}?type=change&since={time}");
    assert_eq!(found(&world.read(&late, &ada, &last).await.unwrap()).len(), 3);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_search_that_cannot_be_understood_says_why_and_where() {
    let world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", &[Role::Author]).await.unwrap();
    let last = world.draft("a").await.unwrap();
    world.read(PATH, &ada, &last).await.unwrap();
    let far =
        world.get(&format!("{PATH}?until=9999-12-31T23:59:59Z"), Some(&ada), &[]).await.unwrap();
    assert_eq!(found(&far).first().map(|(action, _)| action.as_str()), Some("schema.drafted"));
    let far =
        world.get(&format!("{PATH}?since=2300-01-01T00:00:00Z"), Some(&ada), &[]).await.unwrap();
    assert_eq!((far.status.as_u16(), found(&far)), (200, vec![]));
    for (query, detail) in [
        ("q=actor:prn*", "\"actor\" at character 1 takes no prefix"),
        ("q=public.ord*", "\"text\" at character 1 takes no prefix"),
        ("q=who:ada", "\"who\" at character 1 is not a field"),
        ("q=a+%22b", "the quote at character 3 has no end"),
        ("q=-drop", "only says what must not occur"),
        ("q=a*", "shorter than 2 characters"),
        ("since=yesterday", "since is not a time"),
    ] {
        let got = world.get(&format!("{PATH}?{query}"), Some(&ada), &[]).await.unwrap();
        assert_eq!(got.problem(), (400, "query.search_invalid".to_owned()), "{query}");
        let body = got.json().unwrap();
        assert!(body["detail"].as_str().unwrap().contains(detail), "{query}: {body}");
    }
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_was_stopped_goes_on_where_the_index_says() {
    let mut world = World::start().await.unwrap();
    let ada = world.admit("acme", "ada", &[Role::Author]).await.unwrap();
    let first = world.draft("first").await.unwrap();
    world.read(PATH, &ada, &first).await.unwrap();
    world.stop_worker().await.unwrap();
    let second = world.draft("second").await.unwrap();
    let mark = second.position().mark().to_string();
    let behind = world.get(PATH, Some(&ada), &[("cs-min-position", &mark)]).await.unwrap();
    assert_eq!(behind.status.as_u16(), 503);
    world.start_worker().await.unwrap();
    let got = world.read(&format!("{PATH}?type=change"), &ada, &second).await.unwrap();
    let entities: Vec<_> = found(&got).into_iter().map(|(_, entity)| entity).collect();
    assert_eq!(entities, [change("second").to_string(), change("first").to_string()]);
    world.stop().await.unwrap();
}
