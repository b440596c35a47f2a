//! A real SeaweedFS on loopback, which runs as long as the demo.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::durable;
use crate::upload::{S3Store, StoreConfig};

pub const ACCESS_KEY: &str = "demo-station";
pub const SECRET_KEY: &str = "demo-only-not-a-secret";
const START_LIMIT: Duration = Duration::from_mins(1);

/// Killed on drop; its data stays.
pub struct SeaweedFs {
    child: Child,
    pub endpoint: String,
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let tools =
        std::env::var_os("CAMDOCK_TOOLS").map(|tools| PathBuf::from(tools).join("venv/bin/weed"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = tools
        .into_iter()
        .chain(std::env::split_paths(&on_path).map(|dir| dir.join("weed")));
    candidates.into_iter().find(|path| path.is_file()).context(
        "SeaweedFS is not installed: run `make demo`, which installs it, or put its program `weed` on the PATH",
    )
}

/// Ports that were free a moment ago. SeaweedFS takes fixed ones only.
pub fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Starts the server and makes the bucket, with Object Lock.
pub async fn start(dir: &Path, bucket: &str) -> anyhow::Result<SeaweedFs> {
    let program = program()?;
    durable::create_dir(&dir.join("data"))?;
    let identities = serde_json::json!({"identities": [{"name": "demo", "actions": ["Admin", "Read", "Write", "List"],
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]}]});
    durable::write_unsynced(&dir.join("s3.json"), identities.to_string().as_bytes())?;
    let [
        s3,
        s3_grpc,
        master,
        master_grpc,
        volume,
        volume_grpc,
        filer,
        filer_grpc,
    ] = free_ports()?;
    let log = durable::AppendFile::create(&dir.join("weed.log"))?
        .file()
        .try_clone()?;
    let child = Command::new(program)
        .current_dir(dir)
        .args([
            "-logdir=.",
            "server",
            "-dir=data",
            "-ip=127.0.0.1",
            "-s3",
            "-s3.config=s3.json",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ])
        .args([format!("-s3.port={s3}"), format!("-s3.port.grpc={s3_grpc}")])
        .args([
            format!("-master.port={master}"),
            format!("-master.port.grpc={master_grpc}"),
        ])
        .args([
            format!("-volume.port={volume}"),
            format!("-volume.port.grpc={volume_grpc}"),
        ])
        .args([
            format!("-filer.port={filer}"),
            format!("-filer.port.grpc={filer_grpc}"),
        ])
        .args([
            "-master.volumeSizeLimitMB=512",
            "-volume.max=32",
            "-master.telemetry=false",
            "-volume.minFreeSpace=1",
        ])
        // In a process group of its own: Ctrl-C reaches the demo alone, which stops the station before its store.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start SeaweedFS")?;
    let mut weed = SeaweedFs {
        child,
        endpoint: format!("http://127.0.0.1:{s3}"),
    };
    let store = S3Store::new(&StoreConfig {
        endpoint: Some(weed.endpoint.clone()),
        path_style: true,
        ..StoreConfig::new("us-east-1", bucket, ACCESS_KEY, SECRET_KEY)
    })?;
    let began = Instant::now();
    loop {
        match store.create_bucket().await {
            Ok(()) => return Ok(weed),
            Err(error) => {
                if let Some(status) = weed.child.try_wait()? {
                    bail!(
                        "SeaweedFS ended ({status}); its log is {}",
                        dir.join("weed.log").display()
                    );
                }
                if began.elapsed() > START_LIMIT {
                    return Err(error).context("SeaweedFS did not become ready");
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
}
