//! The short time in which a medium can be written to, and only through one descriptor of this process.
//!
//! The mount that the station sees stays read-only: its own flag is never touched. What becomes writable is the file system
//! behind it, and a second view of it that stands in no tree and ends with this process.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};

use super::is_mounted;
use crate::camera::erase::{self, Medium};
use crate::dock::usb::{BlockNode, Sysfs};
use crate::root::media::Media;
use crate::sys;

/// Files that are still being closed keep a file system from becoming read-only for a moment.
const TRIES: u32 = 50;

pub struct Window {
    target: PathBuf,
    devices: Vec<File>,
    /// Let go of before the medium is made read-only again.
    view: Option<Medium>,
    /// A lock on the medium, so that no two helpers open and close it over each other.
    _lock: File,
    open: bool,
}

impl Window {
    /// Makes the medium mounted at `target` writable, through [`Window::view`] alone.
    pub fn open(target: &Path, node: &BlockNode, medium: &Medium) -> anyhow::Result<Self> {
        let lock = File::from(medium.root().try_clone_to_owned()?);
        flock(&lock, FlockOperation::LockExclusive)?;
        let mut window = Self {
            target: target.to_owned(),
            devices: devices(node)?,
            view: None,
            _lock: lock,
            open: true,
        };
        for device in &window.devices {
            sys::allow_writes(device).context("the device stays write-protected")?;
        }
        window.view = Some(Medium::of(sys::writable_view(target)?));
        sys::set_writable(target, true).context("the kernel does not allow it")?;
        Ok(window)
    }

    /// # Panics
    /// Never: only [`Window::close`] takes it away, and that takes the window with it.
    pub fn view(&self) -> &Medium {
        self.view
            .as_ref()
            .unwrap_or_else(|| unreachable!("a window has its view until it is closed"))
    }

    /// Everything is on the medium, and it is read-only and write-protected again.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.shut()
    }

    fn shut(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        let synced = self.view.take().map_or(Ok(()), |view| erase::sync(&view));
        shut(&self.target, &self.devices)?;
        synced.context("what was deleted may still be there after a power cut")
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Err(error) = self.shut() {
            eprintln!("WARNING: {error:#}");
        }
    }
}

/// The partition, and the disk that it is on.
fn devices(node: &BlockNode) -> anyhow::Result<Vec<File>> {
    let mut names = vec![node.node.clone()];
    if node.partition > 0 {
        let disk =
            std::fs::canonicalize(Path::new("/sys/class/block").join(&node.node).join(".."))?;
        let disk = disk.file_name().and_then(|name| name.to_str());
        names.insert(0, disk.context("its disk has no name")?.to_owned());
    }
    let open = |name: &String| {
        let path = Path::new("/dev").join(name);
        File::open(&path).with_context(|| format!("cannot open {}", path.display()))
    };
    names.iter().map(open).collect()
}

/// Read-only, then write-protected; the second also where the first does not work.
fn shut(target: &Path, devices: &[File]) -> anyhow::Result<()> {
    let mut done = sys::set_writable(target, false);
    for _ in 0..TRIES {
        match &done {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(100));
                done = sys::set_writable(target, false);
            }
            _ => break,
        }
    }
    for device in devices {
        sys::write_protect(device).context("the device cannot be write-protected again")?;
    }
    done.context(
        "the medium cannot be made read-only again; the station's view of it is all the same",
    )
}

/// Shuts every window that a killed helper may have left open.
pub fn restore(media: &Media, sysfs: &Sysfs) -> anyhow::Result<()> {
    for mounted in media.all()? {
        for node in sysfs.block_nodes(&mounted.device) {
            let name = node.storage_name();
            let known = mounted.storages.iter().find(|s| s.name == name);
            if known.is_none_or(|s| !is_mounted(&s.state) || s.node != node.node) {
                continue;
            }
            let target = media.folder(&mounted.device.port).join(&name);
            // A device that is gone needs no window closed.
            let Ok(medium) = Medium::mounted(&target, &node.dev) else {
                continue;
            };
            let lock = File::from(medium.root().try_clone_to_owned()?);
            flock(&lock, FlockOperation::LockExclusive)?;
            shut(&target, &devices(&node)?)?;
        }
    }
    Ok(())
}
