//! Which file systems a medium may hold, by what it begins with, and how the kernel is asked to mount them.

use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context as _, bail};

/// Where the descriptors of ISO 9660 and UDF begin, behind the system area, and how far apart they are.
const DESCRIPTORS: u64 = 32 << 10;
const STEP: u64 = 2048;
/// A disc has a handful of them.
const DESCRIPTORS_MAX: u64 = 64;
const NAMES: &str = "FAT, exFAT, ISO 9660 and UDF";

/// The kernel's names of the file systems to try, the likeliest first; never empty.
///
/// A medium that was one thing before may still hold that one's descriptors: so the kernel decides. UDF comes before
/// ISO 9660, as on a disc with both it is the one with whole names, and with files over 4 GiB in one piece.
pub fn kinds(medium: &mut (impl Read + Seek)) -> anyhow::Result<Vec<&'static str>> {
    let mut sector = [0; 512];
    medium
        .read_exact(&mut sector)
        .context("its first sector cannot be read")?;
    let mut kinds = Vec::new();
    let ntfs = &sector[3..11] == b"NTFS    ";
    if sector[510..] == [0x55, 0xaa] {
        match &sector[3..11] {
            b"EXFAT   " => kinds.push("exfat"),
            b"NTFS    " => {}
            _ if sector[0] == 0xeb || sector[0] == 0xe9 => kinds.push("vfat"),
            _ => {}
        }
    }
    kinds.extend(disc_kinds(medium)?);
    if kinds.is_empty() && ntfs {
        bail!("it holds NTFS, and only {NAMES} are read");
    }
    if kinds.is_empty() {
        bail!("it holds none of {NAMES}");
    }
    Ok(kinds)
}

/// By the volume recognition sequence (ECMA-167, part 2) that both begin with. Media that end before it hold neither.
fn disc_kinds(medium: &mut (impl Read + Seek)) -> anyhow::Result<Vec<&'static str>> {
    let (mut iso, mut udf) = (false, false);
    for number in 0..DESCRIPTORS_MAX {
        medium
            .seek(SeekFrom::Start(DESCRIPTORS + number * STEP))
            .context("it cannot be read behind its first sectors")?;
        let mut start = [0; 7];
        match medium.read_exact(&mut start) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            // What was seen before counts.
            Err(_) if iso || udf => break,
            Err(error) => return Err(error).context("its descriptors cannot be read"),
        }
        match &start[1..6] {
            b"CD001" => iso = true,
            b"NSR02" | b"NSR03" => udf = true,
            b"BEA01" | b"BOOT2" | b"CDW02" => {}
            // TEA01, or no descriptor at all. With logical sectors of 4 KiB, every other one is empty.
            _ if start == [0; 7] => {}
            _ => break,
        }
    }
    let found = [("udf", udf), ("iso9660", iso)];
    Ok(found
        .into_iter()
        .filter_map(|(kind, is)| is.then_some(kind))
        .collect())
}

/// Files are the service's alone; on FAT a file's own read-only attribute still shows. FAT times are taken as they stand.
/// Discs: rights that their maker gave somebody keep nothing from the service, and hidden files are shown.
pub fn options(kind: &str, (uid, gid): (u32, u32)) -> String {
    let fat = format!("uid={uid},gid={gid},fmask=0177,dmask=0077,errors=continue");
    let disc = format!("uid={uid},gid={gid},mode=0400,dmode=0500,iocharset=utf8");
    match kind {
        "exfat" => format!("{fat},iocharset=utf8"),
        "iso9660" => format!("{disc},overriderockperm"),
        "udf" => format!("{disc},unhide"),
        _ => format!("{fat},utf8,shortname=mixed,tz=UTC"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sector(jump: u8, name: [u8; 8], end: [u8; 2]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[0] = jump;
        sector[3..11].copy_from_slice(&name);
        sector[510..].copy_from_slice(&end);
        sector
    }

    /// A medium with these descriptors, one for each 2 KiB behind the system area.
    fn disc(mut start: Vec<u8>, descriptors: &[&[u8; 5]]) -> Vec<u8> {
        start.resize(32 << 10, 0);
        for id in descriptors {
            let at = start.len();
            start.resize(at + 2048, 0);
            if *id != b"\0\0\0\0\0" {
                start[at] = 1;
                start[at + 1..at + 6].copy_from_slice(*id);
                start[at + 6] = 1;
            }
        }
        start
    }

    fn kinds_of(bytes: Vec<u8>) -> Result<Vec<&'static str>, String> {
        kinds(&mut Cursor::new(bytes)).map_err(|e| e.to_string())
    }

    const END: [u8; 2] = [0x55, 0xaa];

    #[test]
    fn disks_are_known_by_their_boot_sector() {
        assert_eq!(kinds_of(sector(0xeb, *b"MSDOS5.0", END)), Ok(vec!["vfat"]));
        assert_eq!(kinds_of(sector(0xe9, *b"mkfs.fat", END)), Ok(vec!["vfat"]));
        assert_eq!(kinds_of(sector(0xeb, *b"EXFAT   ", END)), Ok(vec!["exfat"]));
        for (bytes, word) in [
            (sector(0xeb, *b"NTFS    ", END), "NTFS"),
            (sector(0xfa, *b"GRUB    ", END), "none of FAT"),
            (sector(0xeb, *b"MSDOS5.0", [0, 0]), "none of FAT"),
            (vec![0; 512], "none of FAT"),
            (vec![0; 300 << 10], "none of FAT"),
            (vec![0; 511], "first sector"),
        ] {
            assert!(kinds_of(bytes).unwrap_err().contains(word), "{word}");
        }
    }

    #[test]
    fn discs_are_known_by_their_descriptors_and_udf_comes_first() {
        let iso: &[&[u8; 5]] = &[b"CD001", b"CD001", b"CD001"];
        let udf: &[&[u8; 5]] = &[b"BEA01", b"NSR03", b"TEA01"];
        let plain = || vec![0; 512];
        assert_eq!(kinds_of(disc(plain(), iso)), Ok(vec!["iso9660"]));
        assert_eq!(kinds_of(disc(plain(), udf)), Ok(vec!["udf"]));
        let both = [iso, udf].concat();
        assert_eq!(kinds_of(disc(plain(), &both)), Ok(vec!["udf", "iso9660"]));
        let wide: &[&[u8; 5]] = &[b"BEA01", b"\0\0\0\0\0", b"NSR02", b"\0\0\0\0\0", b"TEA01"];
        assert_eq!(kinds_of(disc(plain(), wide)), Ok(vec!["udf"]));
        // Behind the end of the sequence there are only files.
        let behind: &[&[u8; 5]] = &[b"BEA01", b"TEA01", b"NSR03"];
        assert!(
            kinds_of(disc(plain(), behind))
                .unwrap_err()
                .contains("none of")
        );
        // A stick that once held a disc's image.
        let stick = disc(sector(0xeb, *b"EXFAT   ", END), iso);
        assert_eq!(kinds_of(stick), Ok(vec!["exfat", "iso9660"]));
    }

    #[test]
    fn what_is_mounted_belongs_to_the_service_alone() {
        let vfat = options("vfat", (998, 997));
        assert!(
            vfat.starts_with("uid=998,gid=997,fmask=0177,dmask=0077"),
            "{vfat}"
        );
        assert!(vfat.contains("tz=UTC"));
        assert!(!options("exfat", (1, 1)).contains("tz="));
        for kind in ["iso9660", "udf"] {
            let disc = options(kind, (998, 997));
            assert!(
                disc.starts_with("uid=998,gid=997,mode=0400,dmode=0500"),
                "{disc}"
            );
        }
    }
}
