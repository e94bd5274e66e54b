//! The workspace's binaries are built now, not found.

use countersign_devkit::workspace::{Binaries, WorkspaceError};

#[tokio::test]
async fn a_binary_is_built_once_and_its_path_comes_from_cargo() -> anyhow::Result<()> {
    let binaries = Binaries::build_now(&["xtask"], &[]).await?;
    assert!(binaries.path("xtask")?.is_file());
    let unknown = binaries.path("no-such-binary");
    assert!(matches!(unknown, Err(WorkspaceError::NoSuchBinary { .. })));
    let again = Binaries::build_now(&["xtask"], &[]).await?;
    assert!(std::sync::Arc::ptr_eq(&binaries, &again), "built once per process");
    Ok(())
}

#[tokio::test]
async fn a_package_that_does_not_build_shows_what_cargo_said() -> anyhow::Result<()> {
    let refused = Binaries::build_now(&["no-such-package"], &[]).await;
    let Err(WorkspaceError::Build { errors }) = refused else { anyhow::bail!("{refused:?}") };
    assert!(errors.contains("no-such-package"), "{errors}");
    Ok(())
}
