//! Files that a person or a bundle names: only regular ones are read. A pipe would be waited on for ever.

use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file; links to one are followed.
pub fn open(path: &Path) -> io::Result<File> {
    opened(path, OFlag::empty())
}

/// Opens a regular file; a link in its place is refused.
pub fn open_itself(path: &Path) -> io::Result<File> {
    opened(path, OFlag::O_NOFOLLOW)
}

/// Reads a regular file whole.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of UTF-8 text whole.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn opened(path: &Path, more: OFlag) -> io::Result<File> {
    // What is opened is what is looked at: between a look and the opening it could be replaced.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | more;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// Makes a pipe with a name, on which a careless reader waits.
#[cfg(test)]
pub fn make_fifo(path: &Path) -> io::Result<()> {
    Ok(nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_regular_file_is_read_and_a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), b"text");
        assert_eq!(read_text(&path).unwrap(), "text");
        let pipe = folder.path().join("pipe");
        make_fifo(&pipe).unwrap();
        for other in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let told = read(other).unwrap_err().to_string();
            assert_eq!(told, "it is not a regular file", "{}", other.display());
        }
    }

    #[test]
    fn a_link_is_followed_only_where_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        fs::write(&path, "text").unwrap();
        symlink(&path, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"text");
        assert!(open_itself(&link).is_err());
        assert!(open_itself(&path).is_ok());
    }
}
