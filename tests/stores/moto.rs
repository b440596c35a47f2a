//! moto, the store in memory that many test against.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use camdock::upload::StoreConfig;

use crate::process::{Server, free_port};
use crate::support::tool;

pub fn start(dir: &Path) -> (Server, StoreConfig) {
    let port = free_port();
    let log = File::create(dir.join("log")).unwrap();
    let server = Server::start(
        Command::new(tool("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(log.try_clone().unwrap())
            .stderr(log),
    );
    let mut config = StoreConfig::new("us-east-1", "evidence", "test", "test");
    config.endpoint = Some(format!("http://127.0.0.1:{port}"));
    config.path_style = true;
    (server, config)
}
