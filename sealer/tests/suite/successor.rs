//! A log that goes on after another one, which could not be restored: its first commit says so.

use crate::witnessed::until_shown;
use crate::world::{ORIGIN, World, policy, writer};
use devkit::identities::{COMMAND_API, NATS, TRUST_DOMAIN, service};
use devkit::stack::SHARD;
use devkit::workspace::Binaries;
use devkit::{Options, Program, Stack};
use ledger::{Checkpoint, CommitHash, LogPolicy, Tree};
use serde_json::{Value, json};
use std::path::Path;
use trust::keys::PrivateKey;

fn configuration(stack: &Stack, folder: &Path) -> anyhow::Result<String> {
    let key = folder.join("writer.pem");
    devkit::folder::write_private(&key, writer().to_pem()?.as_bytes())?;
    Ok(format!(
        "people_listen = \"127.0.0.1:0\"\nservices_listen = \"127.0.0.1:0\"\nnats_url = \"{}\"\nnats_id = \"{}\"\n\
         writer_key_file = \"{}\"\ndevelopment = true\n\
         [process]\nops_listen = \"127.0.0.1:0\"\nspiffe_socket = \"{}\"\ntrust_domain = \"{TRUST_DOMAIN}\"\nlog_format = \"json\"\n\
         [log]\norigin = \"{ORIGIN}\"\nshard = \"{SHARD}\"\n\
         [[log.writers]]\nspki = \"{}\"\nfrom_sequence = 1\n",
        stack.nats_url(),
        service(NATS)?,
        key.display(),
        stack.service_endpoint(COMMAND_API)?,
        writer().public(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_opened_after_the_last_word_of_another() -> anyhow::Result<()> {
    chassis::process::install_crypto();
    let binaries = Binaries::build(&["countersign-cli", "countersign-command-api"], &[]).await?;
    let (stack, folder) = (Stack::start(Options::default()).await?, tempfile::tempdir()?);
    let old = PrivateKey::from_seed(&[11; 32]);
    let mut tree = Tree::empty();
    tree.push(1, &CommitHash::of(b"what cannot be restored"))?;
    let note = Checkpoint::new("old.log".parse()?, &tree.head()).seal(&old, 1_800_000_000)?;
    let before = folder.path().join("old-checkpoint");
    std::fs::write(&before, note.to_string())?;
    let config = folder.path().join("command-api.toml");
    std::fs::write(&config, configuration(&stack, folder.path())?)?;
    let program = binaries.path("command-api")?;
    let opening = Program::new("open-log", program, folder.path().join("open.log"));
    let opening = opening.without_environment().argument("open-log").argument("--config");
    let opening = opening.argument(&config).argument("--predecessor").argument(&before).spawn()?;
    assert!(opening.wait().await.success(), "{}", opening.log_text());

    let world = World::opened(stack, folder).await?;
    let sealer = world.sealer("sealer")?;
    let last = world.append("first").await?;
    // What is read below is the note that is shown, and it is shown after it is stored.
    until_shown(&world, &sealer, &policy()?, last).await?;
    let archive = world.archive_dir.display().to_string();
    let known = |key: &PrivateKey| -> anyhow::Result<LogPolicy> {
        Ok(LogPolicy { origin: "old.log".parse()?, keys: vec![key.public().into()], ..policy()? })
    };
    let stranger = PrivateKey::from_seed(&[12; 32]);
    for (logs, is_signed) in [
        (vec![policy()?, known(&old)?], true),
        (vec![policy()?, known(&stranger)?], false),
        (vec![policy()?], false),
    ] {
        let file = world.policy_file_of(logs)?.display().to_string();
        let words = ["audit", "verify", "--archive", &archive, "--policy", &file];
        let verified = world.call(&words).await?;
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        let value: Value = serde_json::from_str(&verified.out)?;
        assert_eq!(value["predecessor"]["signed"], json!(is_signed), "{}", verified.out);
    }
    Ok(())
}
