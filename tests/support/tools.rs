//! Programs that the tests need, as `make setup` installs them.

use std::path::{Path, PathBuf};

/// Where `make setup` puts what it does not install.
pub fn tools_dir() -> PathBuf {
    std::env::var_os("CAMDOCK_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools"),
        PathBuf::from,
    )
}

/// A program of the tools' Python environment: `$CAMDOCK_TOOLS/venv/bin/NAME`, or where `make setup` puts it.
#[track_caller]
pub fn tool(name: &str) -> PathBuf {
    let program = tools_dir().join("venv/bin").join(name);
    assert!(
        program.exists(),
        "{} is missing: run `make setup` first",
        program.display()
    );
    program
}
