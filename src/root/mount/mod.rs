//! `camdock-mount`: mounts the storages of USB disks, and discs in USB drives, read-only where the station looks, and
//! unmounts them.
//!
//! udev and systemd start it with the kernel's name of a block device. It trusts neither the device nor the service: it
//! reads no configuration, makes folders named after ports only, and mounts FAT, exFAT, ISO 9660 and UDF only.

mod superblocks;

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::BadArguments;
use super::media::Media;
use crate::dock::usb::{BlockNode, PlugState, Sysfs, hostile};
use crate::model::{Disc, Sha256Digest, StorageState, UsbDevice};
use crate::sys;

/// Bytes at the start of a disc that tell it from another: volume descriptors, and mostly its top folder.
const DISC_START: u64 = 1 << 20;

/// Mount a USB disk's storage or a disc read-only for the station, or unmount it. Started by udev and systemd as root
#[derive(clap::Parser)]
#[command(name = "camdock-mount", version)]
struct Args {
    action: MountVerb,
    /// The kernel's name of a disk, partition or optical drive, such as sdb1
    node: String,
    /// The user that may read what is mounted
    #[arg(long, default_value = "camdock")]
    owner: String,
    #[arg(long, default_value = "/run/camdock/media")]
    media: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MountVerb {
    /// Write-protect a device that is not in use (from the udev rule)
    Protect,
    Mount,
    Unmount,
}

pub fn main() -> ExitCode {
    super::main(run)
}

fn run(args: &Args) -> anyhow::Result<()> {
    let named =
        (1..=32).contains(&args.node.len()) && args.node.bytes().all(|b| b.is_ascii_alphanumeric());
    if !named {
        let message = format!("{:?} is not the name of a block device", args.node);
        return Err(BadArguments(message).into());
    }
    let sysfs = Sysfs::new("/sys");
    match args.action {
        MountVerb::Protect => protect(&Path::new("/dev").join(&args.node)),
        // At a shutdown everything may be gone already.
        MountVerb::Unmount if !args.media.exists() => Ok(()),
        MountVerb::Unmount => Media::open(&args.media)?.remove(&args.node),
        MountVerb::Mount => mount(args, &sysfs),
    }
}

/// Sets the kernel's read-only flag, unless somebody uses the device: then it is not a docked camera.
fn protect(device: &Path) -> anyhow::Result<()> {
    match exclusively(device) {
        Ok(file) => Ok(sys::write_protect(&file)?),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            eprintln!("{} is in use and left alone", device.display());
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("cannot open {}", device.display())),
    }
}

/// Fails with EBUSY while the device or a part of it is mounted or held by another driver.
fn exclusively(device: &Path) -> io::Result<File> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(device)?;
    if file.metadata()?.file_type().is_block_device() {
        Ok(file)
    } else {
        Err(io::Error::other("not a block device"))
    }
}

fn mount(args: &Args, sysfs: &Sysfs) -> anyhow::Result<()> {
    let plug = sysfs
        .device_of_block(&args.node)
        .with_context(|| format!("{} belongs to no USB device", args.node))?;
    let device = match plug.state {
        PlugState::Device(device) => device,
        PlugState::Own => {
            println!("{} is the station's own and left alone", args.node);
            return Ok(());
        }
        PlugState::Absurd(reason) => bail!("refused: {reason}"),
        PlugState::NoDisc => {
            println!("{} has no disc: nothing to mount", args.node);
            return Ok(());
        }
        PlugState::Unready => bail!("the kernel has not configured its device"),
    };
    if let Some(reason) = hostile(&device) {
        bail!("refused: {reason}");
    }
    let nodes = sysfs.block_nodes(&device);
    let Some(node) = nodes.iter().find(|node| node.node == args.node) else {
        println!(
            "{} has partitions, or no medium: nothing to mount",
            args.node
        );
        return Ok(());
    };
    let owner = owner(&args.owner)?;
    let media = Media::open(&args.media)?;
    let target = media.expect(sysfs, &device, &nodes, node)?;
    let state = match mounted(sysfs, node, &device, &target, owner) {
        Ok(state) => {
            println!("{} mounted as {}", args.node, target.display());
            state
        }
        Err(error) => {
            // Not an error of this program: the station names it, and the unit's end cleans up.
            let reason = format!("{error:#}");
            eprintln!("{} not mounted: {reason}", args.node);
            StorageState::Failed { reason }
        }
    };
    media.set(&device, node, state)
}

fn mounted(
    sysfs: &Sysfs,
    node: &BlockNode,
    device: &UsbDevice,
    target: &Path,
    owner: (u32, u32),
) -> anyhow::Result<StorageState> {
    let name = &node.node;
    let path = Path::new("/dev").join(name);
    // The disk first: what it holds is protected with it.
    let disk = Path::new("/sys/class/block").join(name).join("..");
    if node.partition > 0
        && let Some(disk) = std::fs::canonicalize(disk)
            .ok()
            .and_then(|dir| Some(Path::new("/dev").join(dir.file_name()?)))
    {
        let known = File::open(&disk).is_ok_and(|f| sys::is_write_protected(&f).unwrap_or(false));
        if !known {
            sys::write_protect(&exclusively(&disk).context("its disk is in use")?)?;
        }
    }
    let mut file = exclusively(&path).context("it is in use")?;
    let number = file.metadata()?.rdev();
    let dev = format!(
        "{}:{}",
        rustix::fs::major(number),
        rustix::fs::minor(number)
    );
    if dev != node.dev {
        bail!("{} is {dev}, not {}", path.display(), node.dev);
    }
    sys::write_protect(&file).context("it cannot be write-protected")?;
    let kinds = superblocks::kinds(&mut file)?;
    let disc = if node.disc {
        let label = sysfs.udev(&dev, "ID_FS_LABEL");
        Some(disc(&mut file, label)?)
    } else {
        None
    };
    // The kernel claims the device itself.
    drop(file);
    if !sysfs.is_there(device) {
        bail!("the device is gone");
    }
    let kind = mount_as(&kinds, &path, target, owner)?;
    // The kernel opened the path anew: another disk may have taken the name since it was checked.
    if let Err(error) = same_device(target, number) {
        sys::unmount_lazily(target)
            .context("another device was mounted and cannot be unmounted")?;
        return Err(error);
    }
    Ok(StorageState::Mounted {
        kind: kind.into(),
        disc,
    })
}

/// Mounts it as the first of these file systems that the kernel finds there.
fn mount_as(
    kinds: &[&'static str],
    path: &Path,
    target: &Path,
    owner: (u32, u32),
) -> anyhow::Result<&'static str> {
    let mut failed = None;
    for kind in kinds {
        let options = superblocks::options(kind, owner);
        match sys::mount_read_only(path, target, kind, &options) {
            Ok(()) => return Ok(kind),
            Err(error) => {
                let said = format!("the kernel cannot mount it as {kind}");
                failed.get_or_insert(anyhow::Error::new(error).context(said));
            }
        }
    }
    Err(failed.unwrap_or_else(|| anyhow::anyhow!("it holds no file system")))
}

/// What tells a disc from the next one in the same drive. Its start counts as far as it can be read.
fn disc(file: &mut File, label: Option<String>) -> anyhow::Result<Disc> {
    file.rewind()?;
    let mut start = Vec::new();
    if let Err(error) = file.take(DISC_START).read_to_end(&mut start) {
        eprintln!(
            "its start cannot be read beyond {} bytes: {error}",
            start.len()
        );
    }
    Ok(Disc::new(label, Sha256Digest::of(&start)))
}

/// Fails unless the file system at `target` lies on the block device with this number.
fn same_device(target: &Path, number: u64) -> anyhow::Result<()> {
    let mounted = std::fs::metadata(target)
        .context("what was mounted cannot be read")?
        .dev();
    if mounted != number {
        let name = |n| format!("{}:{}", rustix::fs::major(n), rustix::fs::minor(n));
        bail!(
            "the kernel mounted {}, not {}: the disk was swapped in the meantime; dock it again",
            name(mounted),
            name(number)
        );
    }
    Ok(())
}

/// User and group number from /etc/passwd.
fn owner(name: &str) -> anyhow::Result<(u32, u32)> {
    let mut text = String::new();
    File::open("/etc/passwd")
        .and_then(|file| file.take(1 << 20).read_to_string(&mut text))
        .context("cannot read /etc/passwd")?;
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            Some((uid, fields.next()?.parse().ok()?))
        })
        .with_context(|| format!("there is no user {name}: is systemd/camdock.sysusers installed?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_file_system_of_another_device_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let number = std::fs::metadata(dir.path()).unwrap().dev();
        same_device(dir.path(), number).unwrap();
        let error = same_device(dir.path(), number ^ 1).unwrap_err().to_string();
        assert!(error.contains("dock it again"), "{error}");
        assert!(same_device(Path::new("/nonexistent"), number).is_err());
    }

    #[test]
    fn the_owner_is_a_user_of_this_system() {
        assert_eq!(owner("root").unwrap(), (0, 0));
        assert!(owner("nosuch-user").is_err());
    }

    #[test]
    fn names_that_are_no_block_devices_are_refused_before_anything_is_opened() {
        for node in ["", "../sda", "sda/1", "sd a", &"s".repeat(33)] {
            let args = Args {
                action: MountVerb::Unmount,
                node: node.into(),
                owner: "root".into(),
                media: "/nonexistent".into(),
            };
            let error = run(&args).unwrap_err().to_string();
            assert!(
                error.contains("is not the name of a block device"),
                "{error}"
            );
        }
        assert!(protect(Path::new("/dev/null")).is_err());
    }
}
