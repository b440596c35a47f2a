//! Puts files into an exFAT image that `mkfs.exfat` made, as Microsoft's "exFAT file system specification" lays them out:
//! every file and folder in one run of clusters, so that the FAT itself need not be touched. Independent of the kernel.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::station::Footage;

/// 2025-03-14 22:10:02, two-second units, as FAT packs it.
const FILMED: u32 = (45 << 25) | (3 << 21) | (14 << 16) | (22 << 11) | (10 << 5) | 1;
const ENTRY: usize = 32;

struct Volume {
    file: File,
    cluster_size: u64,
    heap: u64,
    bitmap: u64,
    next: u32,
}

enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<String, Node>),
}

pub fn fill(path: &Path, footage: &Footage) {
    let mut root = BTreeMap::new();
    for name in footage.files.keys() {
        let mut folder = &mut root;
        let mut parts = name.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                folder.insert(part.to_owned(), Node::File(footage.bytes(name)));
                break;
            }
            let below = folder
                .entry(part.to_owned())
                .or_insert_with(|| Node::Folder(BTreeMap::new()));
            match below {
                Node::Folder(below) => folder = below,
                Node::File(_) => panic!("{part} is a file and a folder"),
            }
        }
    }
    let file = File::options().read(true).write(true).open(path).unwrap();
    let number = |at: u64| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).unwrap();
        u32::from_le_bytes(bytes)
    };
    let mut shifts = [0; 2];
    file.read_exact_at(&mut shifts, 108).unwrap();
    let (sector, cluster) = (1_u64 << shifts[0], 1_u64 << (shifts[0] + shifts[1]));
    let (heap, root_cluster) = (u64::from(number(88)) * sector, number(96));
    let mut volume = Volume {
        file: file.try_clone().unwrap(),
        cluster_size: cluster,
        heap,
        bitmap: 0,
        next: 0,
    };
    // The root holds its label, the bitmap's and the upper-case table's place; the clusters behind it are free.
    let at = volume.offset(root_cluster);
    let mut used = 0;
    loop {
        let mut entry = [0; ENTRY];
        file.read_exact_at(&mut entry, at + used).unwrap();
        if entry[0] == 0 {
            break;
        }
        if entry[0] == 0x81 {
            volume.bitmap = volume.offset(u32::from_le_bytes(entry[20..24].try_into().unwrap()));
        }
        used += ENTRY as u64;
    }
    volume.next = root_cluster + 1;
    let entries = volume.folder(&root);
    assert!(
        used + entries.len() as u64 <= cluster,
        "the root has one cluster only"
    );
    file.write_all_at(&entries, at + used).unwrap();
}

impl Volume {
    fn offset(&self, cluster: u32) -> u64 {
        self.heap + u64::from(cluster - 2) * self.cluster_size
    }

    /// Writes the contents of a folder and returns the folder's own entries.
    fn folder(&mut self, nodes: &BTreeMap<String, Node>) -> Vec<u8> {
        let mut entries = Vec::new();
        for (name, node) in nodes {
            let (attributes, bytes) = match node {
                Node::File(bytes) => (0x20_u16, bytes.clone()),
                Node::Folder(below) => {
                    let mut bytes = self.folder(below);
                    let whole = usize::try_from(self.cluster_size).unwrap();
                    bytes.resize(bytes.len().max(1).next_multiple_of(whole), 0);
                    (0x10, bytes)
                }
            };
            let first = self.put(&bytes);
            entries.extend_from_slice(&set(name, attributes, first, bytes.len() as u64));
        }
        entries
    }

    /// Writes into the next free run of clusters and marks them as taken; 0 if there is nothing to write.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        let first = self.next;
        self.file.write_all_at(bytes, self.offset(first)).unwrap();
        let count = u32::try_from((bytes.len() as u64).div_ceil(self.cluster_size)).unwrap();
        for cluster in first..first + count {
            let (byte, bit) = (
                self.bitmap + u64::from((cluster - 2) / 8),
                (cluster - 2) % 8,
            );
            let mut old = [0];
            self.file.read_exact_at(&mut old, byte).unwrap();
            assert_eq!(old[0] >> bit & 1, 0, "cluster {cluster} is taken");
            self.file.write_all_at(&[old[0] | 1 << bit], byte).unwrap();
        }
        self.next += count;
        first
    }
}

/// The file's entry, its stream's and its name's (sections 7.4, 7.6 and 7.7).
fn set(name: &str, attributes: u16, first: u32, len: u64) -> Vec<u8> {
    let letters: Vec<u16> = name.encode_utf16().collect();
    let mut file = [0; ENTRY];
    file[0] = 0x85;
    file[1] = u8::try_from(1 + letters.len().div_ceil(15)).unwrap();
    file[4..6].copy_from_slice(&attributes.to_le_bytes());
    for at in [8, 12, 16] {
        file[at..at + 4].copy_from_slice(&FILMED.to_le_bytes());
    }
    // The offset is valid, and it is UTC.
    file[22..25].fill(0x80);
    let mut stream = [0; ENTRY];
    stream[0] = 0xc0;
    stream[1] = if first == 0 { 1 } else { 3 };
    stream[3] = u8::try_from(letters.len()).unwrap();
    let upper = name
        .to_ascii_uppercase()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect::<Vec<_>>();
    stream[4..6].copy_from_slice(&sum(upper.iter().copied()).to_le_bytes());
    stream[8..16].copy_from_slice(&len.to_le_bytes());
    stream[20..24].copy_from_slice(&first.to_le_bytes());
    stream[24..32].copy_from_slice(&len.to_le_bytes());
    let mut set = [file, stream].concat();
    for part in letters.chunks(15) {
        let mut entry = [0; ENTRY];
        entry[0] = 0xc1;
        for (at, letter) in part.iter().enumerate() {
            entry[2 + 2 * at..4 + 2 * at].copy_from_slice(&letter.to_le_bytes());
        }
        set.extend_from_slice(&entry);
    }
    // The checksum skips its own two bytes.
    let bytes = set
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 2 && *at != 3);
    let checksum = sum(bytes.map(|(_, byte)| *byte));
    set[2..4].copy_from_slice(&checksum.to_le_bytes());
    set
}

fn sum(bytes: impl Iterator<Item = u8>) -> u16 {
    bytes.fold(0, |sum: u16, byte| {
        sum.rotate_right(1).wrapping_add(u16::from(byte))
    })
}
