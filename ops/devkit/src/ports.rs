//! Loopback ports: free ones, and those that a data folder remembers.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::folder::{self, FolderError, failed};

/// The port that `file` remembers if nobody listens there now, else a free one, which `file` then
/// remembers.
pub fn remembered(file: &Path) -> Result<u16, FolderError> {
    let before = folder::read(file)?.and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = before.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(failed("find a free port for", file))?
        .port();
    folder::write_private(file, port.to_string().as_bytes())?;
    Ok(port)
}

/// Free ports, each another one.
pub fn free<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        // Held until all are found, so that none is found twice.
        held.push(listener);
    }
    Ok(ports)
}

/// Whether a server could listen on this port now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
