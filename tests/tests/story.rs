//! The detail of a change tells its whole story, and says when there is nothing new.

use anyhow::Context as _;
use client::stories::{ApprovalDetail, ChangeAnswer, DataSourceDetail};
use scenario::change::{approve, get, reader, submit, wait_for};
use scenario::platform::Platform;
use scenario::running::platform;
use scenario::scratch::Scratch;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Status and `ETag` of a read as Ada, who has seen `tag`.
async fn seen(platform: &Platform, path: &str, tag: &str) -> anyhow::Result<(u16, String)> {
    let token = platform.card.tokens.get("ada").context("no token of ada")?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("{}{path}", platform.card.query_api)).bearer_auth(token);
    let response = request.header("if-none-match", tag).send().await?;
    let etag = response.headers().get("etag").context("no ETag")?.to_str()?.to_owned();
    Ok((response.status().as_u16(), etag))
}

fn may_sign(story: &ChangeAnswer) -> Vec<&str> {
    let told = story.countersigning.iter().filter_map(|told| told.may_sign.as_ref());
    told.flatten().filter_map(|signer| signer.name.as_deref()).collect()
}

#[tokio::test]
async fn the_detail_of_a_change_tells_its_whole_story() -> anyhow::Result<()> {
    let platform = platform("story").await?;
    let scratch = Scratch::new()?;
    let file = scratch.file("a.sql", "CREATE TABLE public.told (id bigint);\n")?;
    let id = submit(platform, "told", &file).await?;
    let path = format!("/v1/changes/{id}");

    let story = wait_for(platform, &id, "pending_approval").await?;
    assert_eq!(may_sign(&story), ["Bob (approver)", "Cyd (approver)"], "the author never counts");
    let told = story.countersigning.context("nobody was asked")?;
    assert_eq!((told.state.as_str(), told.stages.len()), ("open", 1));
    assert_eq!(
        (told.stages[0].quorum, told.stages[0].signed, told.stages[0].complete),
        (2, 0, false)
    );
    let checks = story.checks.iter().map(|it| (it.name.as_str(), it.state.as_str()));
    assert_eq!(checks.collect::<Vec<_>>(), [("introspection", "passed")]);
    let (status, tag) = seen(platform, &path, "\"0\"").await?;
    assert_eq!((status, tag.contains('-')), (200, true), "others will have more to say: {tag}");
    assert_eq!(seen(platform, &path, &tag).await?, (304, tag.clone()));

    approve(platform, "bob", &id).await?;
    let until = Instant::now() + PATIENCE;
    while seen(platform, &path, &tag).await?.0 == 304 {
        anyhow::ensure!(Instant::now() < until, "the signature is never shown");
    }
    approve(platform, "cyd", &id).await?;
    wait_for(platform, &id, "applied").await?;
    // The approval's own end and the job's are in by then: the change waited for both.
    let story = get(platform, &id).await?;
    let told = story.countersigning.as_ref().context("nobody was asked")?;
    assert_eq!(
        (told.state.as_str(), told.signed.len(), told.stages[0].complete),
        ("granted", 2, true)
    );
    assert_eq!(may_sign(&story), Vec::<&str>::new());
    let [check, migrate] = &story.jobs[..] else { anyhow::bail!("{:?}", story.jobs) };
    assert_eq!((check.job.mode.as_str(), check.steps.as_deref()), ("introspect", Some(&[][..])));
    let [step] = migrate.steps.as_deref().context("the steps are not known")? else {
        anyhow::bail!("{migrate:?}")
    };
    assert_eq!((migrate.job.mode.as_str(), story.more_jobs), ("migrate", false));
    assert_eq!((step.outcome.as_str(), &step.sha256), ("succeeded", &story.change.steps[0].sha256));
    assert!(migrate.job.started_at < migrate.job.ended_at, "{migrate:?}");
    let versions: Vec<u64> = story.change.history.iter().map(|entry| entry.version).collect();
    assert!(versions.is_sorted() && versions.first() == Some(&1), "{versions:?}");
    let tag = format!("\"{}\"", versions.last().context("no history")?);
    assert_eq!(seen(platform, &path, &tag).await?, (304, tag));

    let client = reader(platform)?;
    let path = format!("/v1/approvals/{}", story.change.approval.context("no approval")?);
    let approval: ApprovalDetail = client.get(&path).await?;
    let events: Vec<&str> = approval.history.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(
        events,
        ["approval.opened", "approval.signed", "approval.signed", "approval.granted"]
    );
    assert_eq!(approval.author, story.change.author);
    assert_eq!(seen(platform, &path, "\"3\"").await?, (304, "\"3\"".to_owned()));
    assert_eq!(seen(platform, &path, "\"2\"").await?, (200, "\"3\"".to_owned()));

    let path = format!("/v1/data-sources/{}", story.data_source);
    let source: DataSourceDetail = client.get(&path).await?;
    let history = source.history.iter();
    let locks = history.filter(|entry| entry.event.starts_with("data_source.lock_"));
    let locks: Vec<&str> = locks.map(|entry| entry.event.as_str()).collect();
    assert_eq!(&locks[..1], ["data_source.lock_granted"]);
    let (_, tag) = seen(platform, &path, "\"0\"").await?;
    assert_eq!(seen(platform, &path, &tag).await?.0, 304);
    Ok(())
}
