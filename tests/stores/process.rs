//! Servers as child processes on loopback, killed when they are dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;

use crate::round::BUCKET;

pub struct Server(Child);

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let started = command.stdin(Stdio::null()).spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Creates the bucket as soon as the server answers.
pub async fn create_bucket(client: &Client) {
    let limit = Instant::now() + Duration::from_mins(2);
    loop {
        let bucket = client.create_bucket().bucket(BUCKET);
        match bucket.object_lock_enabled_for_bucket(true).send().await {
            Ok(_) => return,
            Err(error) if Instant::now() > limit => panic!("no bucket: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
