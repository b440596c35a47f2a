//! Deleting over MTP: only proven files are deleted, whatever a camera or a compromised service tries.

mod answers;
mod desk;
mod tricks;

use std::collections::BTreeSet;

use super::*;
use camdock::camera::ptp::op;
use desk::{Desk, Ordered};

/// A camera whose files are all stored.
struct Docked {
    device: Device,
    /// Path, handle and size.
    files: Vec<(String, u32, u64)>,
    camera: PtpCamera,
    desk: Desk,
    /// One for each of `files`.
    orders: Vec<Ordered>,
}

impl Docked {
    fn new(quirks: Quirks) -> Self {
        let (device, files) = filled(quirks);
        Self::of(device, files)
    }

    fn of(device: Device, files: Vec<(String, u32, u64)>) -> Self {
        let mut camera = open(&device);
        let desk = Desk::new();
        let id = camera.identity().id.clone().unwrap();
        let (listed, refused) = list(&mut camera).unwrap();
        assert_eq!(refused, []);
        let mut orders = Vec::new();
        for (name, _, _) in &files {
            let facts = listed.iter().find(|f| f.path == path(name)).unwrap();
            let bytes = read(&mut camera, name).unwrap();
            orders.push(desk.ordered(desk.takes(&id, facts, &bytes)));
        }
        Self {
            device,
            files,
            camera,
            desk,
            orders,
        }
    }

    fn wipe(&mut self, rehash: bool) -> Vec<String> {
        self.desk.wipe(&mut self.camera, &self.orders, rehash)
    }

    /// The names of the files that the device still holds.
    fn left(&self) -> BTreeSet<String> {
        let state = self.device.lock();
        let files = state.objects.values().filter(|node| !node.folder);
        files
            .map(|node| String::from_utf16(&node.name).unwrap())
            .collect()
    }

    fn folders(&self) -> usize {
        let state = self.device.lock();
        state.objects.values().filter(|node| node.folder).count()
    }

    /// No deletion was sent.
    #[track_caller]
    fn untouched(&self) {
        assert_eq!(self.device.count(op::DELETE_OBJECT), 0);
        assert_eq!(self.left().len(), self.files.len());
    }
}

#[test]
fn just_the_proven_files_go_by_one_request_each_and_folders_stay() {
    for rehash in [true, false] {
        let mut docked = Docked::new(Quirks::default());
        docked.orders.retain(|(proven, _)| {
            let name = proven.path.to_string();
            name.ends_with("A.MP4") || name.ends_with("E.GPS") || name.ends_with("F.LOG")
        });
        assert_eq!(docked.wipe(rehash), ["wiped"; 3]);
        let left: Vec<_> = docked.left().into_iter().collect();
        assert_eq!(left, ["B.MP4", "C.MP4", "D.MP4", "G.THM", "H.JPG"]);
        assert_eq!(docked.folders(), 2);
        let state = docked.device.lock();
        let deletions = state.asked.iter().filter(|a| a.0 == op::DELETE_OBJECT);
        let deletions: Vec<_> = deletions.map(|a| a.2.clone()).collect();
        let handle = |n: usize| vec![docked.files[n].1, 0];
        assert_eq!(deletions, [handle(0), handle(4), handle(5)]);
    }
}

#[test]
fn devices_of_every_kind_are_wiped() {
    let some = |change: fn(&mut Quirks)| {
        let mut quirks = Quirks::default();
        change(&mut quirks);
        quirks
    };
    for quirks in [
        some(|q| q.glue_response = true),
        some(|q| q.junk_headers = true),
        some(|q| q.header_alone = true),
        some(|q| q.events = true),
        some(|q| q.listing = mtp::Listing::ZeroIsTop),
        some(|q| q.reuses_handles = true),
        some(|q| q.small_pieces = Some(9000)),
    ] {
        for without in [
            &[][..],
            &[op::GET_PARTIAL_OBJECT_64, op::GET_PARTIAL_OBJECT],
        ] {
            let (device, files) = filled(quirks.clone());
            let mut docked = Docked::of(device.without(without), files);
            let told = docked.wipe(true);
            assert_eq!(told, ["wiped"; 8], "{quirks:?}");
            assert!(docked.left().is_empty());
        }
    }
}

#[test]
fn a_file_is_deleted_only_from_the_storage_that_its_path_names() {
    let device = Device::new(Quirks::default());
    let second = mtp::STORAGE + 1;
    device.lock().storages.push(second);
    let name = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    let first = device.add(TOP, "A.MP4", Some(900));
    let other = device.add_raw(second, TOP, name("A.MP4"), Some(900));
    let files = [(mtp::STORAGE, first), (second, other)];
    let files =
        files.map(|(storage, handle)| (format!("storage-{storage:08x}/A.MP4"), handle, 900));
    let mut docked = Docked::of(device, files.to_vec());
    docked
        .device
        .lock()
        .objects
        .get_mut(&first)
        .unwrap()
        .storage = second;
    assert_eq!(docked.wipe(true), ["path_unsure", "wiped"]);
    let state = docked.device.lock();
    assert!(state.objects.contains_key(&first) && !state.objects.contains_key(&other));
}

#[test]
fn a_file_named_twice_goes_once_and_a_stop_leaves_what_is_not_begun() {
    let mut docked = Docked::new(Quirks::default());
    docked.orders.truncate(2);
    docked.orders.insert(1, docked.orders[0].clone());
    assert_eq!(docked.wipe(true), ["wiped", "named_twice", "wiped"]);
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 2);

    let mut docked = Docked::new(Quirks::default());
    let device = docked.device.clone();
    let stop = move || device.count(op::DELETE_OBJECT) > 1;
    let answer = docked
        .desk
        .try_wipe(&mut docked.camera, &docked.orders, true, &stop);
    let answer = answer.unwrap().files;
    assert!(answer[0].wiped && answer[1].wiped);
    for result in &answer[2..] {
        assert_eq!(result.code.as_deref(), Some("stopped"));
    }
    assert_eq!(docked.left().len(), 6);
}

#[test]
fn a_device_that_cannot_delete_is_distinguished_from_one_that_refuses() {
    let (device, files) = filled(Quirks::default());
    let mut docked = Docked::of(device.without(&[op::DELETE_OBJECT]), files);
    let tried = docked
        .desk
        .try_wipe(&mut docked.camera, &docked.orders, true, &|| false);
    assert!(matches!(tried, Err(CameraError::CannotWipe)), "{tried:?}");
    docked.untouched();
}
