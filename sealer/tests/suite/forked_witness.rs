//! A log that forks, against one witness: whatever it is asked, and whenever it is killed, it cosigns one history.

use crate::witness::{Said, Witness};
use crate::world::{log_key, origin};
use anyhow::Context as _;
use ledger::tree::consistency_proof;
use ledger::witness::{MAX_REQUEST_BYTES, Request, Seen, origin_hash};
use ledger::{Checkpoint, CommitHash, TilePath, Tree, TreeHead};
use std::collections::BTreeMap;
use std::time::Duration;

const FORKED_AT: u64 = 40;
const SIZE: u64 = 400;
const KILLS: usize = 25;

/// One of two histories that agree up to a size.
struct Branch {
    heads: Vec<TreeHead>,
    tiles: BTreeMap<TilePath, Vec<u8>>,
}

impl Branch {
    fn grown(number: u64) -> anyhow::Result<Self> {
        let (mut tree, mut tiles) = (Tree::empty(), BTreeMap::new());
        let mut heads = vec![tree.head()];
        for sequence in 1..=SIZE {
            let which = if sequence > FORKED_AT { number } else { 0 };
            let hash = CommitHash::of(format!("{which} {sequence}").as_bytes());
            let stored = tree.push(sequence, &hash)?;
            let edge = tree.edge_tiles(sequence - 1);
            tiles.extend(stored.into_iter().chain(edge).map(|tile| (tile.path, tile.bytes)));
            heads.push(tree.head());
        }
        Ok(Self { heads, tiles })
    }

    fn head(&self, size: u64) -> anyhow::Result<TreeHead> {
        self.heads.get(usize::try_from(size)?).copied().context("a head")
    }

    fn request(&self, old: u64, size: u64) -> anyhow::Result<Request> {
        let head = self.head(size)?;
        let note = Checkpoint::new(origin()?, &head).seal(&log_key(), 1_800_000_000)?;
        let proof = consistency_proof(old, &head, &self.tiles);
        let proof = proof.map(|(_, proof)| proof.path).unwrap_or_default();
        Ok(Request::new(old, proof, note))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_at_any_moment_cosigns_one_history() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let folder = tempfile::tempdir()?;
    let witness = Witness::new(folder.path(), "killed.witness", 21).await?;
    let branches = [Branch::grown(0)?, Branch::grown(1)?];
    let mut random = fastrand::Rng::with_seed(5);
    let mut cosigned: Vec<TreeHead> = Vec::new();
    let mut refused = 0;
    for _ in 0..KILLS {
        let child = witness.start().await?;
        let kept = witness.checkpoint().await?.map_or(0, |note| note.claim().size);
        let largest = cosigned.last().map_or(0, |head| head.size);
        assert!(kept >= largest, "it forgot: {kept} of {largest}");
        let moment = tokio::time::sleep(Duration::from_millis(random.u64(1..120)));
        let ask = async {
            let mut old = random.u64(0..=kept);
            loop {
                let branch = &branches[random.usize(0..2)];
                let size = (old + random.u64(0..4)).min(SIZE);
                match witness.ask(&branch.request(old, size)?).await? {
                    Said::Cosigned => {
                        cosigned.push(branch.head(size)?);
                        old = size;
                    }
                    Said::OtherSize(seen) => old = seen,
                    Said::Refused(409 | 422) => refused += 1,
                    Said::Refused(status) => anyhow::bail!("{status}"),
                }
            }
        };
        tokio::select! {
            () = moment => {}
            failed = ask => { let () = failed?; }
        }
        child.kill().await;
    }
    assert!(cosigned.is_sorted_by_key(|head| head.size));
    let is_of = |branch: &Branch| cosigned.iter().all(|head| branch.heads.contains(head));
    assert!(is_of(&branches[0]) || is_of(&branches[1]), "two histories: {cosigned:?}");
    // Neither branch was always refused before the fork, and the fork was tried.
    let largest = cosigned.last().map_or(0, |head| head.size);
    assert!(largest > FORKED_AT && refused > 10, "{largest} {refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_status_and_the_type_of_the_specification() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let folder = tempfile::tempdir()?;
    let witness = Witness::new(folder.path(), "w.witness", 21).await?;
    let _running = witness.start().await?;
    let [one, other] = [Branch::grown(0)?, Branch::grown(1)?];
    assert_eq!(witness.checkpoint().await?, None);
    assert!(matches!(witness.ask(&one.request(0, 60)?).await?, Said::Cosigned));
    assert!(matches!(witness.ask(&one.request(60, 60)?).await?, Said::Cosigned));
    let plain = "text/plain; charset=utf-8";
    let unknown = one.request(60, 70)?.to_string().replace(origin()?.as_str(), "example.com/log");
    let mut unsigned = one.request(60, 70)?.to_string();
    unsigned = unsigned.replace("\n70\n", "\n71\n");
    for (body, status, content_type) in [
        (String::new(), 400, plain),
        ("old 1\n\n".to_owned(), 400, plain),
        (unknown, 404, plain),
        (unsigned, 403, plain),
        (one.request(60, 50)?.to_string(), 400, plain),
        (one.request(50, 70)?.to_string(), 409, "text/x.tlog.size"),
        (other.request(60, 60)?.to_string(), 409, plain),
        (other.request(60, 70)?.to_string(), 422, plain),
        ("x".repeat(MAX_REQUEST_BYTES + 1), 413, plain),
    ] {
        let (got, kind, text) = witness.send(body.clone()).await?;
        let sent = body.chars().take(40).collect::<String>();
        assert_eq!((got, kind.as_str()), (status, content_type), "{sent:?}: {text}");
        assert!(text.ends_with('\n'));
    }
    let card = witness.card().await?;
    let key = witness.key.public();
    assert!(card.contains(&format!("name w.witness\nspki {key}\nvkey w.witness+")), "{card}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_does_not_start_on_a_state_that_is_not_whole() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let folder = tempfile::tempdir()?;
    let witness = Witness::new(folder.path(), "w.witness", 21).await?;
    let running = witness.start().await?;
    let branch = Branch::grown(0)?;
    assert!(matches!(witness.ask(&branch.request(0, 60)?).await?, Said::Cosigned));
    let second = witness.spawn()?;
    assert!(!second.wait().await.success());
    assert!(second.log_text().contains("cli.witness_state_in_use"), "{}", second.log_text());
    running.kill().await;
    let note = witness.state().join(format!("{}.checkpoint", origin_hash(&origin()?)));
    let whole = std::fs::read(&note)?;
    let seen = Seen::in_note(&whole, &origin()?, &witness.cosigner()?);
    assert_eq!(seen.map(|seen| seen.head), Some(branch.head(60)?));
    for damage in [None, Some(&whole[..whole.len() - 9])] {
        match damage {
            None => std::fs::remove_file(&note)?,
            Some(bytes) => std::fs::write(&note, bytes)?,
        }
        let child = witness.spawn()?;
        assert!(!child.wait().await.success());
        assert!(child.log_text().contains("cli.witness_state_damaged"), "{}", child.log_text());
    }
    std::fs::write(&note, &whole)?;
    let running = witness.start().await?;
    assert!(matches!(witness.ask(&branch.request(60, 61)?).await?, Said::Cosigned));
    let status = running.stop(Duration::from_secs(10)).await;
    assert!(status.success(), "{status}");
    Ok(())
}
