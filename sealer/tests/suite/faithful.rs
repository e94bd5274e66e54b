//! What is sealed is what the log holds, and the archive holds all of it.

use crate::world::{World, origin};
use archive::lines;
use bytes::Bytes;
use devkit::identities::COMMAND_API;
use futures::TryStreamExt as _;
use ledger::{CommitHash, Inclusion, Line, tree};

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_under_a_checkpoint_and_in_the_archive() -> anyhow::Result<()> {
    let world = World::new().await?;
    let first = world.sealer("first")?;
    let last = world.grow("a", 300).await?;
    world.until_sealed(&first, last).await?;
    // A message that no writer signed is a leaf too, and nobody mistakes it for a commit.
    let api = world.stack.connect_service(COMMAND_API).await?;
    let stranger = "cs.log.main.acme.agent.agt_00000000000000000000000001";
    let stored =
        api.jetstream().publish(stranger, Bytes::from_static(b"not a commit")).await?.await?;
    let last = world.append("b").await?;
    assert_eq!(last, stored.sequence + 1);
    let size = world.until_sealed(&first, last).await?;
    assert!(world.check_archive().await?.len() > 1);

    let archive = world.archive()?;
    let mut sequences = 0;
    let mut segments = Box::pin(archive.read_log(0).await?);
    while let Some((_, bytes)) = segments.try_next().await? {
        for line in lines(bytes) {
            let line = Line::parse(&line)?;
            sequences += 1;
            assert_eq!(line.sequence, sequences);
            let there = world.reader.stored_after(line.sequence - 1, 1).await?;
            assert_eq!(there[0].payload, line.payload);
        }
    }
    assert_eq!(sequences, size);

    let head = world.sealed().await?.unwrap().head();
    for sequence in [1, 2, 256, 257, stored.sequence, last] {
        let tiles = archive.tiles(&tree::inclusion_tiles(sequence - 1, head.size)).await?;
        let (leaf, proof): (_, Inclusion) = tree::inclusion_proof(sequence - 1, &head, &tiles)?;
        let payload = world.reader.stored_after(sequence - 1, 1).await?[0].payload.clone();
        assert_eq!(leaf, ledger::leaf_hash(sequence, &CommitHash::of(&payload)));
        proof.verify(&leaf, &head.root)?;
    }
    assert_eq!(origin()?.as_str(), crate::world::ORIGIN);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sealers_one_stops_and_no_two_checkpoints_contradict() -> anyhow::Result<()> {
    let world = World::new().await?;
    let one = world.sealer("one")?;
    world.until_sealed(&one, 1).await?;
    let other = world.sealer("other")?;
    let mut last = 0;
    let loser = loop {
        last = world.append(&format!("commit-{last}")).await?;
        let ended =
            [&one, &other].into_iter().find(|child| child.log_text().contains("another sealer"));
        if let Some(ended) = ended {
            break ended;
        }
    };
    assert!(!loser.wait().await.success());
    let winner = if loser.name() == "one" { &other } else { &one };
    let last = world.grow("after", 20).await?;
    world.until_sealed(winner, last).await?;
    world.check_archive().await?;
    Ok(())
}
