//! The name by which clients dial.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::tls::server_name;

/// A host, and a port if it is not the one that is listened on: `HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Where something in between passes connections on.
    pub port: Option<u16>,
}

impl Advertised {
    /// An IP address.
    pub fn address(address: IpAddr) -> Self {
        Self { host: address.to_string(), port: None }
    }

    /// `HOST:PORT`, as in a URL.
    pub fn authority(&self, listened: u16) -> String {
        let port = self.port.unwrap_or(listened);
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]:{port}"),
            Err(_) => format!("{}:{port}", self.host),
        }
    }
}

impl FromStr for Advertised {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self { host: address.ip().to_string(), port: Some(address.port()) }.checked();
        }
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Self::address(address).checked();
        }
        let (host, port) = match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port.parse().map_err(|_| format!("{port:?} is no port"))?)),
        };
        Self { host: host.to_owned(), port }.checked()
    }
}

impl Advertised {
    fn checked(self) -> Result<Self, String> {
        if self.port == Some(0) {
            return Err("nobody can dial port 0".to_owned());
        }
        if self.host.parse().is_ok_and(|address: IpAddr| address.is_unspecified()) {
            return Err(format!("nobody can dial {}; name the host as clients know it", self.host));
        }
        match server_name(&self.host) {
            Some(_) => Ok(self),
            None => Err(format!("{:?} is neither a host name nor an IP address", self.host)),
        }
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_with_and_without_a_port_are_read() {
        for (text, authority) in [
            ("node-7", "node-7:1"),
            ("node-7.cluster:7000", "node-7.cluster:7000"),
            ("10.0.0.1", "10.0.0.1:1"),
            ("10.0.0.1:7000", "10.0.0.1:7000"),
            ("::1", "[::1]:1"),
            ("[::1]", "[::1]:1"),
            ("[::1]:7000", "[::1]:7000"),
        ] {
            assert_eq!(text.parse::<Advertised>().unwrap().authority(1), authority);
        }
        for text in ["", ":7000", "node 7", "node-7:", "node-7:x", "node-7:0", "0.0.0.0", "[::]:1", "http://h:1"] {
            assert!(text.parse::<Advertised>().is_err(), "{text}");
        }
    }
}
