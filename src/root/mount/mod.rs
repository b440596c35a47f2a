//! `camdock-mount`: mounts a USB disk's storages read-only where the station looks, and unmounts them.
//!
//! udev and systemd start it with the kernel's name of a block device. It trusts neither the device nor the service: it
//! reads no configuration, makes folders named after ports only, and mounts FAT and exFAT only.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::BadArguments;
use super::media::Media;
use crate::dock::usb::{BlockNode, PlugState, Sysfs, hostile};
use crate::model::{StorageState, UsbDevice};
use crate::sys;

/// Mount a USB disk's storage read-only for the station, or unmount it. Started by udev and systemd as root
#[derive(clap::Parser)]
#[command(name = "camdock-mount", version)]
struct Args {
    action: MountVerb,
    /// The kernel's name of a disk or partition, such as sdb1
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
    let state = match mounted(&args.node, node, &device, &target, owner) {
        Ok(kind) => {
            println!("{} mounted as {}", args.node, target.display());
            StorageState::Mounted { kind: kind.into() }
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
    name: &str,
    node: &BlockNode,
    device: &UsbDevice,
    target: &Path,
    owner: (u32, u32),
) -> anyhow::Result<&'static str> {
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
    let kind = filesystem(&mut file)?;
    // The kernel claims the device itself.
    drop(file);
    if !Sysfs::new("/sys").is_there(device) {
        bail!("the device is gone");
    }
    sys::mount_read_only(&path, target, kind, &options(kind, owner))
        .with_context(|| format!("the kernel cannot mount it as {kind}"))?;
    // The kernel opened the path anew: another disk may have taken the name since it was checked.
    if let Err(error) = same_device(target, number) {
        sys::unmount_lazily(target)
            .context("another device was mounted and cannot be unmounted")?;
        return Err(error);
    }
    Ok(kind)
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

/// `vfat` or `exfat`, by the boot sector.
fn filesystem(device: &mut impl io::Read) -> anyhow::Result<&'static str> {
    let mut sector = [0; 512];
    device
        .read_exact(&mut sector)
        .context("its first sector cannot be read")?;
    if sector[510..] != [0x55, 0xaa] {
        bail!("it holds no FAT or exFAT file system");
    }
    match &sector[3..11] {
        b"EXFAT   " => Ok("exfat"),
        b"NTFS    " => bail!("it holds NTFS, and only FAT and exFAT are read"),
        _ if sector[0] == 0xeb || sector[0] == 0xe9 => Ok("vfat"),
        _ => bail!("it holds no FAT or exFAT file system"),
    }
}

/// Files are the service's alone; a file's own read-only attribute still shows. FAT times are taken as they stand.
fn options(kind: &str, (uid, gid): (u32, u32)) -> String {
    let common = format!("uid={uid},gid={gid},fmask=0177,dmask=0077,errors=continue");
    match kind {
        "exfat" => format!("{common},iocharset=utf8"),
        _ => format!("{common},utf8,shortname=mixed,tz=UTC"),
    }
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

    fn sector(jump: u8, name: [u8; 8], end: [u8; 2]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[0] = jump;
        sector[3..11].copy_from_slice(&name);
        sector[510..].copy_from_slice(&end);
        sector
    }

    #[test]
    fn only_fat_and_exfat_are_mounted() {
        let kind = |bytes: Vec<u8>| filesystem(&mut bytes.as_slice()).map_err(|e| e.to_string());
        let end = [0x55, 0xaa];
        assert_eq!(kind(sector(0xeb, *b"MSDOS5.0", end)), Ok("vfat"));
        assert_eq!(kind(sector(0xe9, *b"mkfs.fat", end)), Ok("vfat"));
        assert_eq!(kind(sector(0xeb, *b"EXFAT   ", end)), Ok("exfat"));
        for (bytes, word) in [
            (sector(0xeb, *b"NTFS    ", end), "NTFS"),
            (sector(0xfa, *b"GRUB    ", end), "no FAT"),
            (sector(0xeb, *b"MSDOS5.0", [0, 0]), "no FAT"),
            (vec![0; 512], "no FAT"),
            (vec![0; 511], "first sector"),
        ] {
            assert!(kind(bytes).unwrap_err().contains(word), "{word}");
        }
    }

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
    fn what_is_mounted_belongs_to_the_service_alone_and_shows_the_read_only_attribute() {
        let vfat = options("vfat", (998, 997));
        assert!(
            vfat.starts_with("uid=998,gid=997,fmask=0177,dmask=0077"),
            "{vfat}"
        );
        assert!(vfat.contains("tz=UTC"));
        assert!(!options("exfat", (1, 1)).contains("tz="));
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
