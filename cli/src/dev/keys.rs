//! Private keys: made once, random, readable by their owner only.

use super::layout::Layout;
use anyhow::Context as _;
use devkit::folder;
use trust::keys::PrivateKey;

/// The key of this name in the data folder, made if it is not there.
pub fn load_or_make(layout: &Layout, name: &str) -> anyhow::Result<PrivateKey> {
    let path = layout.key(name);
    if let Some(pem) = folder::read(&path)? {
        return PrivateKey::from_pem(&pem).with_context(|| format!("{}", path.display()));
    }
    let key = PrivateKey::from_seed(&random()?);
    folder::write_private(&path, key.to_pem()?.as_bytes())?;
    Ok(key)
}

/// 32 random bytes.
pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("no randomness")?;
    Ok(bytes)
}
