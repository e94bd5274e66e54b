//! The file that holds the credentials. Its content reaches no log and no error.

use super::TargetError;
use chassis::secret_file;
use std::net::IpAddr;
use std::path::Path;
use tokio_postgres::config::{Config, Host};

/// Reads the URL; refuses a file that others may read, and a server on another machine.
pub(super) fn read(path: &Path) -> Result<Config, TargetError> {
    let malformed = || TargetError::UrlMalformed(path.to_owned());
    let config: Config = secret_file::read(path)?.parse().map_err(|_| malformed())?;
    if config.get_hosts().is_empty() || config.get_dbname().is_none() {
        return Err(malformed());
    }
    let local = config.get_hosts().iter().all(is_local)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    if !local {
        return Err(TargetError::NotLocal(path.to_owned()));
    }
    Ok(config)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::secret_file::SecretFileError;
    use std::os::unix::fs::PermissionsExt as _;

    fn read_text(text: &str, mode: u32) -> Result<Config, TargetError> {
        let unreadable = |source| {
            TargetError::UrlFile(SecretFileError::Unreadable { path: "test".into(), source })
        };
        let file = tempfile::NamedTempFile::new().map_err(unreadable)?;
        std::fs::write(file.path(), text).map_err(unreadable)?;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), permissions).map_err(unreadable)?;
        read(file.path())
    }

    #[test]
    fn credentials_that_others_may_read_are_refused() {
        let url = "postgres://a:secret@127.0.0.1:5432/orders\n";
        assert_eq!(read_text(url, 0o600).unwrap().get_dbname(), Some("orders"));
        assert!(read_text(url, 0o400).is_ok());
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let error = read_text(url, mode).unwrap_err();
            assert!(matches!(error, TargetError::UrlFile(SecretFileError::OpenToOthers { .. })));
        }
    }

    #[test]
    fn a_server_on_another_machine_is_refused() {
        for url in [
            "postgres://a:b@db.example.org/orders",
            "postgres://a:b@10.0.0.1/orders",
            "host=localhost hostaddr=10.0.0.1 dbname=orders",
            "postgres://a:b@localhost,db.example.org/orders",
        ] {
            assert!(matches!(read_text(url, 0o600), Err(TargetError::NotLocal(_))), "{url}");
        }
        assert!(read_text("host=/run/postgresql dbname=orders user=a", 0o600).is_ok());
        assert!(read_text("postgres://a:b@[::1]/orders", 0o600).is_ok());
    }

    #[test]
    fn an_error_does_not_quote_the_credentials() {
        for url in ["postgres://a:secret@:x/orders", "secret", "postgres://a:secret@localhost"] {
            let error = read_text(url, 0o600).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
        }
    }
}
