//! The cameras' media: images of file systems with footage in them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use camdock::model::Sha256Digest;

use super::exfat;
use super::station::Footage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The whole medium is one file system, as most cameras have it.
    Fat32,
    Fat16,
    ExFat,
    /// FAT32 in the first partition of a partition table.
    Partitioned,
    /// ISO 9660 with Joliet and Rock Ridge names, as a burner makes it.
    Iso,
}

/// Where a partition begins.
const FIRST: u64 = 1 << 20;

pub struct Medium {
    pub path: PathBuf,
    digest: Sha256Digest,
}

impl Medium {
    pub fn new(path: PathBuf, layout: Layout, footage: &Footage) -> Self {
        // FAT32 needs some 65,000 clusters, FAT16 must have fewer.
        let room = footage.total() + footage.files.len() as u64 * 4096 + (8 << 20);
        let size = match layout {
            Layout::Fat16 | Layout::ExFat => room.next_multiple_of(1 << 20),
            Layout::Iso => 0,
            Layout::Fat32 | Layout::Partitioned => room.max(48 << 20).next_multiple_of(1 << 20),
        };
        let file = File::create(&path).unwrap();
        file.set_len(size).unwrap();
        match layout {
            Layout::Iso => iso(&path, footage),
            Layout::Fat16 => fat(&path, &["-F", "16"], 0, footage),
            Layout::Fat32 => fat(&path, &["-F", "32", "-s", "1"], 0, footage),
            Layout::Partitioned => {
                file.write_all_at(&table(size), 0).unwrap();
                let sectors = (FIRST / 512).to_string();
                let options = ["-F", "32", "-s", "1", "--offset", &sectors];
                fat(&path, &options, FIRST, footage);
            }
            Layout::ExFat => {
                run(Command::new("mkfs.exfat").args(["-c", "4K"]).arg(&path));
                exfat::fill(&path, footage);
            }
        }
        Self::at(path)
    }

    /// Takes an image that exists already.
    pub fn at(path: PathBuf) -> Self {
        let digest = Sha256Digest::of(&fs::read(&path).unwrap());
        Self { path, digest }
    }

    /// The bytes of the whole medium are what they were when it was made.
    #[track_caller]
    pub fn is_unchanged(&self) {
        let now = Sha256Digest::of(&fs::read(&self.path).unwrap());
        assert_eq!(now, self.digest, "the medium was written to");
    }

    /// The first sector of a file of the medium, found by its bytes.
    pub fn sector_of(&self, bytes: &[u8]) -> u64 {
        let all = fs::read(&self.path).unwrap();
        let found = all
            .chunks_exact(512)
            .position(|sector| sector == &bytes[..512]);
        found.expect("the file's first sector") as u64
    }
}

/// A partition table with one FAT32 partition.
fn table(size: u64) -> [u8; 512] {
    let mut sector = [0; 512];
    let entry = &mut sector[446..462];
    entry[4] = 0x0c;
    let lba = |n: u64| u32::try_from(n / 512).unwrap().to_le_bytes();
    entry[8..12].copy_from_slice(&lba(FIRST));
    entry[12..16].copy_from_slice(&lba(size - FIRST));
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn fat(path: &Path, options: &[&str], offset: u64, footage: &Footage) {
    let mut make = Command::new("mkfs.vfat");
    make.args(options)
        .args(["-n", "CAMERA", "-i", "cafe0001"])
        .arg(path);
    if offset > 0 {
        let size = fs::metadata(path).unwrap().len();
        make.arg(((size - offset) / 1024).to_string());
    }
    run(&mut make);
    let files = tempfile::tempdir().unwrap();
    footage.write_below(files.path());
    let mut copy = Command::new("mcopy");
    copy.args(["-s", "-m", "-Q", "-i"])
        .arg(format!("{}@@{offset}", path.display()));
    for top in fs::read_dir(files.path()).unwrap() {
        copy.arg(top.unwrap().path());
    }
    // mtools encodes names in the locale's character set.
    run(copy.arg("::").env("TZ", "UTC").env("LC_ALL", "C.UTF-8"));
}

/// Whoever burned the disc alone may read it, by its own rights.
fn iso(path: &Path, footage: &Footage) {
    let files = tempfile::tempdir().unwrap();
    footage.write_below(files.path());
    for name in footage.files.keys() {
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(files.path().join(name), private).unwrap();
    }
    let options = ["-as", "mkisofs", "-quiet", "-J", "-R", "-V", "TILL_CAM"];
    let mut make = Command::new("xorriso");
    make.args(options).args(["-input-charset", "utf-8", "-o"]);
    run(make.arg(path).arg(files.path()));
}

/// An empty UDF file system, as for a disc or a stick: who may mount it puts the files in.
pub fn empty_udf(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
    let options = ["-b", "2048", "--label", "INTERVIEW 7"];
    run(Command::new("mkudffs").args(options).arg(path));
}

#[track_caller]
fn run(command: &mut Command) {
    command.env(
        "PATH",
        format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()),
    );
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; next step: make setup"));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{command:?}: {said}");
}
