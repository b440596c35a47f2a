//! What may be imported: anything that the service may read, but nothing of its own, and no docked camera.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use super::requests::ImportRefusal;
use super::{canonical, shown};
use crate::camera::CameraError;
use crate::config::Config;

/// The kernel's own file systems hold no evidence.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

pub struct Vetting {
    /// Neither these nor anything in them, nor what holds them.
    own: Vec<(PathBuf, &'static str)>,
    /// Secrets and settings: not what holds them.
    secret: Vec<PathBuf>,
}

impl Vetting {
    pub fn new(config: &Config) -> Self {
        let mut own = vec![
            (
                config.files.state_dir().to_owned(),
                "the station's own files",
            ),
            (
                config.files.runtime_dir().to_owned(),
                "the station's sockets",
            ),
            (config.spool.dir.clone(), "the station's spool"),
        ];
        let folders = config.dock.folders.iter();
        own.extend(folders.map(|folder| (folder.path.clone(), "docked cameras")));
        own.extend(KERNEL.map(|path| (PathBuf::from(path), "the kernel's own files")));
        let credentials = config.store.credentials_file.clone();
        Self {
            own,
            secret: credentials
                .into_iter()
                .chain([config.path.clone()])
                .collect(),
        }
    }

    /// The path without links on the way, if it may be imported.
    pub fn readable(&self, path: &Path) -> Result<PathBuf, ImportRefusal> {
        if !path.is_absolute() {
            return Err(refused(path, "is no absolute path"));
        }
        let path = path.canonicalize().map_err(|error| {
            let reason = format!("{} cannot be read: {error}", shown(path));
            ImportRefusal {
                code: "import_unreadable".into(),
                reason,
                next_step: READABLE.into(),
            }
        })?;
        let overlaps = |own: &Path| path.starts_with(own) || own.starts_with(&path);
        for (own, what) in &self.own {
            if overlaps(&canonical(own)) {
                return Err(refused(&path, &format!("holds {what}, or lies among them")));
            }
        }
        let of_secrets = |secret: &PathBuf| canonical(secret).starts_with(&path);
        if self.secret.iter().any(of_secrets) {
            return Err(refused(&path, "holds the station's configuration"));
        }
        Ok(path)
    }
}

const READABLE: &str = "Name a folder or file that the user `camdock` may read; /home, /root and /tmp are hidden from the service: mount or copy it below /media, /mnt or /srv.";

fn refused(path: &Path, why: &str) -> ImportRefusal {
    ImportRefusal {
        code: "import_refused".into(),
        reason: format!("{} {why}: it cannot be imported", shown(path)),
        next_step: "Name the folder or file with the evidence alone.".into(),
    }
}

/// Something that is there and cannot be opened.
pub fn unreadable(path: &Path, error: &CameraError) -> ImportRefusal {
    let cause = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    ImportRefusal {
        code: "import_unreadable".into(),
        reason: format!("{} cannot be read: {cause}", shown(path)),
        next_step: READABLE.into(),
    }
}
