//! The files of a stopped nats-server: what somebody with access to its disk could change.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

/// Flips one bit in the payload of the message that holds `needle` early in a stream's stored blocks, in every
/// account that stores the stream; gives how many blocks were changed.
pub fn flip(data_dir: &Path, stream: &str, needle: &str) -> anyhow::Result<usize> {
    let mut changed = 0;
    for block in blocks(data_dir, stream)? {
        let mut bytes = std::fs::read(&block).with_context(|| format!("{}", block.display()))?;
        let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        let Some(at) = found else { continue };
        let byte = bytes.get_mut(at + needle.len() - 1).context("an empty needle")?;
        *byte ^= 1;
        std::fs::write(&block, &bytes).with_context(|| format!("{}", block.display()))?;
        changed += 1;
    }
    if changed == 0 {
        bail!("no stored block of {stream} holds {needle:?}");
    }
    Ok(changed)
}

fn blocks(folder: &Path, stream: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let is_block = path.extension().is_some_and(|extension| extension == "blk");
            let of_stream = path.iter().any(|part| part == stream);
            if is_block && of_stream {
                found.push(path);
            }
        }
    }
    Ok(found)
}
