//! Breaks a FAT16 medium by hand, as a worn card or an attacker would. Names are short ones.

use std::fs;
use std::path::PathBuf;

const ENTRY: usize = 32;

/// An image of a medium without partitions, with its bytes in memory until [`Fat::save`].
pub struct Fat {
    path: PathBuf,
    bytes: Vec<u8>,
    table: usize,
    top: usize,
    top_len: usize,
    data: usize,
    cluster: usize,
}

impl Fat {
    pub fn open(path: PathBuf) -> Self {
        let bytes = fs::read(&path).unwrap();
        let number = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let (sector, reserved) = (number(11), number(14));
        let tables = usize::from(bytes[16]) * number(22) * sector;
        let (table, top_len) = (reserved * sector, number(17) * ENTRY);
        Self {
            table,
            top: table + tables,
            top_len,
            data: table + tables + top_len,
            cluster: usize::from(bytes[13]) * sector,
            path,
            bytes,
        }
    }

    pub fn save(self) {
        fs::write(&self.path, &self.bytes).unwrap();
    }

    /// The offset of a file's or folder's entry in the image.
    fn entry(&self, path: &str) -> usize {
        let mut place = (self.top, self.top_len);
        let mut found = 0;
        for name in path.split('/') {
            let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
            let wanted = format!("{stem:8}{extension:3}");
            found = (place.0..place.0 + place.1)
                .step_by(ENTRY)
                .find(|at| &self.bytes[*at..*at + 11] == wanted.as_bytes())
                .unwrap_or_else(|| panic!("{path}: no {name}"));
            place = (self.place(self.first(found)), self.cluster);
        }
        found
    }

    fn first(&self, entry: usize) -> u16 {
        u16::from_le_bytes([self.bytes[entry + 26], self.bytes[entry + 27]])
    }

    fn place(&self, cluster: u16) -> usize {
        self.data + (usize::from(cluster) - 2) * self.cluster
    }

    /// The first cluster of a file or folder.
    pub fn cluster_of(&self, path: &str) -> u16 {
        self.first(self.entry(path))
    }

    /// The bytes in one cluster.
    pub fn cluster_len(&self) -> u64 {
        self.cluster as u64
    }

    /// Makes the entry claim another size.
    pub fn claim_size(&mut self, path: &str, size: u32) {
        let at = self.entry(path) + 28;
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }

    /// Sets a cluster's successor in the first table.
    pub fn link(&mut self, cluster: u16, next: u16) {
        let at = self.table + usize::from(cluster) * 2;
        self.bytes[at..at + 2].copy_from_slice(&next.to_le_bytes());
    }

    /// Adds a raw entry to a folder's first cluster: eleven bytes of name, attributes, first cluster and size.
    pub fn add(&mut self, folder: &str, name: [u8; 11], attributes: u8, cluster: u16, size: u32) {
        let mut entry = [0; ENTRY];
        entry[..11].copy_from_slice(&name);
        entry[11] = attributes;
        // 14 March 2025.
        entry[24..26].copy_from_slice(&0x5a6e_u16.to_le_bytes());
        entry[26..28].copy_from_slice(&cluster.to_le_bytes());
        entry[28..].copy_from_slice(&size.to_le_bytes());
        self.add_raw(folder, entry);
    }

    /// As [`Fat::add`], for entries that are not files: parts of long names.
    pub fn add_raw(&mut self, folder: &str, entry: [u8; ENTRY]) {
        let start = self.place(self.cluster_of(folder));
        let free = (start..start + self.cluster)
            .step_by(ENTRY)
            .find(|at| self.bytes[*at] == 0)
            .expect("room in the folder's first cluster");
        self.bytes[free..free + ENTRY].copy_from_slice(&entry);
    }
}
