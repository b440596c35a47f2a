//! A disk of a few megabytes that a test can fill up and make read-only.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A small disk in memory, in a mount namespace of its own that ends with it.
pub struct SmallDisk {
    holder: Child,
    at: PathBuf,
}

impl SmallDisk {
    /// `None`, with the reason printed, where this machine does not allow it.
    pub fn mount(at: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={kib}k,mode=700 none \"$1\" && echo ready && exec sleep 600"
        );
        let holder = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                &script,
                "sh",
            ])
            .arg(&at)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut holder) = holder else {
            eprintln!("SKIPPED: there is no `unshare` to make a small disk with");
            return None;
        };
        let mut line = String::new();
        let out = holder.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        if line != "ready\n" {
            let _ = holder.wait();
            eprintln!("SKIPPED: this machine does not let its users mount a small disk");
            return None;
        }
        Some(Self { holder, at })
    }

    /// The words that run a program where the disk is mounted.
    pub fn within(&self) -> Vec<String> {
        let target = format!("--target={}", self.holder.id());
        [
            "nsenter",
            &target,
            "--user",
            "--mount",
            "--preserve-credentials",
        ]
        .map(str::to_owned)
        .into()
    }

    pub fn run(&self, words: &[&str]) -> bool {
        let within = self.within();
        let ran = Command::new(&within[0])
            .args(&within[1..])
            .args(words)
            .stderr(Stdio::null())
            .status();
        ran.unwrap().success()
    }

    pub fn path(&self, name: &str) -> String {
        self.at.join(name).to_str().unwrap().to_owned()
    }

    /// Fills the disk to the last byte.
    pub fn fill(&self) {
        let to = format!("of={}", self.path("filler"));
        assert!(!self.run(&["dd", "if=/dev/zero", &to, "bs=4k", "status=none"]));
    }

    pub fn clear(&self) {
        assert!(self.run(&["rm", &self.path("filler")]));
    }

    pub fn remount(&self, how: &str) -> bool {
        let options = format!("remount,{how}");
        self.run(&["mount", "-o", &options, self.at.to_str().unwrap()])
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
