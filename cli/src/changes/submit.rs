//! `change submit`: the exact bytes of a file, drafted and submitted in one commit.

use super::watch::watch;
use crate::args::Submit;
use crate::error::CliError;
use crate::exit::Exit;
use crate::files;
use crate::output::{Document, Output};
use crate::session::Session;
use client::commands::DraftChange;
use domain::ids::ChangeId;
use std::path::Path;
use trust::encoding::to_base64;

/// Submits a file; with `--watch`, follows the change to its end.
pub async fn submit(submit: Submit, session: &Session, output: &Output) -> Result<Exit, CliError> {
    let file = read(&submit.sql)?;
    let body = DraftChange {
        data_source: submit.source,
        title: submit.title,
        reason: submit.reason,
        sql: to_base64(&file),
        start: submit.start.into(),
        submit: true,
    };
    let recorded = session.tell(&submit.repeat, "/v1/changes", &body).await?;
    output.talk(&recorded.told("submitted"));
    output.document(&Document::receipt(&recorded.receipt)?)?;
    if !submit.watch {
        return Ok(Exit::Ok);
    }
    let id: ChangeId = recorded.receipt.aggregate.id.parse().map_err(anyhow::Error::from)?;
    watch(session, output, id, Some(recorded.receipt.position()), submit.patience).await
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let file = files::read(path).map_err(|source| CliError::ReadFile {
        what: "the SQL file",
        path: path.to_owned(),
        source,
    })?;
    // Beyond this the server would close the connection on the body.
    if file.len() > sql::MAX_FILE_BYTES {
        return Err(CliError::SqlTooLarge { path: path.to_owned(), size: file.len() });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sql");
        std::fs::write(&path, b"select 1;\r\n").unwrap();
        assert_eq!(read(&path).unwrap(), b"select 1;\r\n");
    }

    #[test]
    fn a_wrong_path_and_a_file_beyond_the_limit_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nothing.sql");
        let told = read(&path).unwrap_err().told();
        assert!(told.contains("nothing.sql") && told.contains("cli.file_unreadable"), "{told}");
        let pipe = folder.path().join("pipe.sql");
        files::make_fifo(&pipe).unwrap();
        let told = read(&pipe).unwrap_err().told();
        assert!(told.contains("pipe.sql") && told.contains("not a regular file"), "{told}");
        std::fs::write(&path, vec![b' '; sql::MAX_FILE_BYTES + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().code(), "cli.sql_too_large");
    }
}
