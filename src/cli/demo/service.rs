//! A service of a demo: the real program, started as its unit starts it, with its log in a file.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::durable;

/// A service that does not stop in this time is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// Stopped on drop.
pub struct Service {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Service {
    /// Starts `camdock` with these arguments; its log is `name`.log in `dir`.
    pub fn start(
        program: &Path,
        config: &Path,
        arguments: &[&str],
        dir: &Path,
        name: &'static str,
    ) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = durable::AppendFile::create(&log)?.file().try_clone()?;
        let child = Command::new(program)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .current_dir(dir)
            // In a process group of its own: Ctrl-C reaches the demo alone, which stops the service.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start the {name}"))?;
        Ok(Self { child, name, log })
    }

    /// An error if it has ended although nobody stopped it.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!(
                "the {} ended ({status}); its log is {}",
                self.name,
                self.log.display()
            ),
        }
    }

    /// Waits until it ends although nobody stopped it.
    pub async fn ended(&mut self) -> anyhow::Error {
        loop {
            match self.still_runs() {
                Ok(()) => tokio::time::sleep(POLL).await,
                Err(error) => return error,
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let asked = Instant::now();
        let service = rustix::process::Pid::from_child(&self.child);
        if let Ok(None) = self.child.try_wait() {
            let _ = rustix::process::kill_process(service, rustix::process::Signal::TERM);
        }
        while asked.elapsed() < STOP_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
