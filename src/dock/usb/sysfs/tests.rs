use proptest::prelude::*;

use super::*;
use crate::dock::usb::descriptors::descriptor_bytes;
use crate::dock::usb::test_tree::{DISK, SysfsTree};

#[test]
fn devices_are_found_with_their_ports_and_texts_and_hubs_are_left_out() {
    let tree = SysfsTree::new();
    tree.hub("1-6");
    let texts = [
        ("manufacturer", " Acme "),
        ("product", "X8"),
        ("serial", "X81234567\0"),
    ];
    tree.plug("1-6.4", 9, &descriptor_bytes(0x46f4, 1, DISK), &texts);
    tree.plug("2-3", 5, &descriptor_bytes(0x46f4, 4, &[(6, 1, 1)]), &[]);
    fs::create_dir(tree.dir("2-3").join("2-3:1.0")).unwrap();
    fs::write(tree.dir("2-3").join("2-3:1.0/interface"), "MTP\n").unwrap();
    let plugs = tree.sysfs().scan().unwrap();
    let names: Vec<_> = plugs
        .iter()
        .map(|p| (p.name.as_str(), p.port.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("1-6.4", "pci-0000:00:04.0-usb-0:6.4"),
            ("2-3", "pci-0000:00:04.0-usb-0:3")
        ]
    );
    let PlugState::Device(camera) = &plugs[0].state else {
        panic!("{plugs:?}")
    };
    assert_eq!(
        (camera.bus, camera.address, camera.ids().as_str()),
        (1, 9, "46f4:0001")
    );
    assert_eq!(camera.manufacturer.as_deref(), Some("Acme"));
    assert_eq!(camera.serial.as_deref(), Some("X81234567"));
    let PlugState::Device(mtp) = &plugs[1].state else {
        panic!("{plugs:?}")
    };
    assert_eq!(mtp.interfaces[0].text.as_deref(), Some("MTP"));
    assert_eq!(mtp.serial, None);
    assert!(tree.sysfs().is_there(camera));
    tree.unplug("1-6");
    assert!(!tree.sysfs().is_there(camera));
    assert_eq!(tree.sysfs().scan().unwrap().len(), 1);
    let none = tempfile::tempdir().unwrap();
    assert!(Sysfs::new(none.path()).scan().is_err());
}

#[test]
fn both_paths_of_one_socket_give_one_port_even_where_their_numbers_differ() {
    let tree = SysfsTree::new();
    // A socket that is port 5 of USB 2 and port 1 of USB 3, and a hub in it.
    tree.hub("1-5");
    tree.hub("2-1");
    tree.plug("1-5.2", 7, &descriptor_bytes(1, 1, DISK), &[]);
    tree.plug("2-1.2", 8, &descriptor_bytes(1, 1, DISK), &[]);
    tree.plug("1-3", 9, &descriptor_bytes(1, 1, DISK), &[]);
    tree.plug("2-3", 10, &descriptor_bytes(1, 1, DISK), &[]);
    tree.peer(("usb1", 5), ("usb2", 1));
    tree.peer(("1-5", 2), ("2-1", 2));
    tree.peer(("usb1", 3), ("usb2", 3));
    let ports: Vec<_> = tree
        .sysfs()
        .scan()
        .unwrap()
        .into_iter()
        .map(|plug| (plug.name, plug.port, plug.peer_port))
        .collect();
    let at = |chain: &str| format!("pci-0000:00:04.0-usb-0:{chain}");
    assert_eq!(
        ports,
        [
            ("1-3".to_owned(), at("3"), None),
            ("1-5.2".to_owned(), at("5.2"), Some(at("1.2"))),
            ("2-1.2".to_owned(), at("5.2"), Some(at("1.2"))),
            ("2-3".to_owned(), at("3"), None),
        ]
    );
}

#[test]
fn a_device_half_made_is_unready_and_one_with_absurd_descriptors_is_named() {
    let tree = SysfsTree::new();
    tree.plug(
        "1-1",
        3,
        &descriptor_bytes(1, 1, DISK),
        &[("bConfigurationValue", "")],
    );
    tree.plug("1-2", 4, &descriptor_bytes(1, 1, DISK)[..30], &[]);
    tree.plug(
        "1-3",
        5,
        &descriptor_bytes(1, 1, DISK),
        &[("devnum", "999")],
    );
    tree.plug("1-4", 6, &vec![0xff; 80_000], &[]);
    let plugs = tree.sysfs().scan().unwrap();
    assert_eq!(plugs.len(), 3, "{plugs:?}");
    assert_eq!(plugs[0].state, PlugState::Unready);
    assert!(matches!(&plugs[1].state, PlugState::Absurd(reason) if reason.contains("length")));
    assert!(matches!(&plugs[2].state, PlugState::Absurd(reason) if reason.contains("bytes")));
    fs::remove_file(tree.dir("1-2").join("descriptors")).unwrap();
    assert_eq!(tree.sysfs().plug("1-2").unwrap().state, PlugState::Unready);
}

#[test]
fn texts_of_a_device_are_bounded_and_any_bytes() {
    let tree = SysfsTree::new();
    tree.plug("1-1", 3, &descriptor_bytes(1, 1, DISK), &[]);
    fs::write(tree.dir("1-1").join("serial"), [0xff; 4000]).unwrap();
    fs::write(tree.dir("1-1").join("product"), "\n").unwrap();
    let PlugState::Device(device) = tree.sysfs().plug("1-1").unwrap().state else {
        panic!()
    };
    assert_eq!(device.serial.unwrap().chars().count(), TEXT_MAX);
    assert_eq!(device.product_name, None);
}

#[test]
fn every_storage_of_a_device_is_expected_and_found_from_its_block_device() {
    let tree = SysfsTree::new();
    tree.plug("2-3", 5, &descriptor_bytes(1, 1, DISK), &[]);
    tree.disk("2-3", 0, "sdb", "1000", 2);
    tree.disk("2-3", 1, "sdc", "1000", 0);
    // A card reader's empty slot, and a disk that the kernel still looks at.
    tree.disk("2-3", 2, "sdd", "0", 0);
    let late = tree.dir("2-3").join("2-3:1.0/host6/target6:0:0/6:0:0:3");
    fs::create_dir_all(&late).unwrap();
    let sysfs = tree.sysfs();
    let plug = sysfs.device_of_block("sdb2").unwrap();
    assert_eq!((plug.name.as_str(), plug.address), ("2-3", 5));
    let PlugState::Device(device) = plug.state else {
        panic!()
    };
    let nodes: Vec<_> = sysfs
        .block_nodes(&device)
        .into_iter()
        .map(|node| (node.storage_name(), node.node, node.dev))
        .collect();
    let node = |name: &str, node: &str, dev: &str| (name.into(), node.into(), dev.into());
    assert_eq!(
        nodes,
        [
            node("l0p1", "sdb1", "8:17"),
            node("l0p2", "sdb2", "8:18"),
            node("l1p0", "sdc", "8:16"),
            node("l3p0", "", ""),
        ]
    );
    assert_eq!(sysfs.device_of_block("sdz"), None);
    assert_eq!(sysfs.device_of_block("../../bus"), None);
}

#[test]
fn a_disk_of_the_stations_own_is_left_alone() {
    let tree = SysfsTree::new();
    tree.plug("2-3", 5, &descriptor_bytes(1, 1, DISK), &[]);
    let state = || tree.sysfs().plug("2-3").unwrap().state;
    assert!(matches!(state(), PlugState::Device(_)));
    tree.disk("2-3", 0, "sdb", "1000", 2);
    let mounts = |line: &str| {
        let text = format!("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n{line}\n");
        tree.host("proc/self/mountinfo", &text);
        matches!(state(), PlugState::Own)
    };
    assert!(!mounts(
        "40 22 8:17 / /run/camdock/media/p/l0p1 ro - vfat /dev/sdb1 ro"
    ));
    assert!(!mounts("40 22 8:99 / /backup rw - ext4 /dev/sdz1 rw"));
    assert!(mounts("40 22 8:18 / /backup rw - ext4 /dev/sdb2 rw"));
    assert!(!mounts(""));
    tree.host(
        "run/udev/data/b8:17",
        "S:disk/by-id/x\nE:CAMDOCK_IGNORE=1\n",
    );
    assert_eq!(state(), PlugState::Own);
    tree.host("run/udev/data/b8:17", "E:CAMDOCK_IGNORE=10\n");
    assert!(matches!(state(), PlugState::Device(_)));
    fs::create_dir_all(tree.path("class/block/sdb1/holders/dm-0")).unwrap();
    assert_eq!(state(), PlugState::Own);
}

#[test]
fn a_drive_is_docked_while_udev_sees_a_disc_in_it_and_is_none_of_a_cameras_storages() {
    let tree = SysfsTree::new();
    tree.plug("2-3", 5, &descriptor_bytes(1, 1, DISK), &[]);
    tree.drive("2-3", 0, "sr0", false);
    let state = || tree.sysfs().plug("2-3").unwrap().state;
    assert_eq!(state(), PlugState::NoDisc);
    tree.host(
        "run/udev/data/b11:0",
        "E:ID_CDROM_MEDIA=1\nE:ID_FS_LABEL=TILL\n",
    );
    let PlugState::Device(device) = state() else {
        panic!("{:?}", state())
    };
    let sysfs = tree.sysfs();
    let nodes = sysfs.block_nodes(&device);
    let [node] = &nodes[..] else {
        panic!("{nodes:?}")
    };
    assert!(node.disc && node.node == "sr0" && node.storage_name() == "l0p0");
    assert_eq!(
        sysfs.udev(&node.dev, "ID_FS_LABEL").as_deref(),
        Some("TILL")
    );
    assert_eq!(sysfs.udev(&node.dev, "ID_FS"), None);
    // Mounted by hand: it is the station's own.
    let by_hand = "40 22 11:0 / /media/cdrom ro - iso9660 /dev/sr0 ro\n";
    tree.host("proc/self/mountinfo", by_hand);
    assert_eq!(state(), PlugState::Own);
    tree.host("proc/self/mountinfo", "");
    // A camera that has its maker's programs on a drive beside its disk.
    tree.disk("2-3", 1, "sdc", "1000", 1);
    let nodes = sysfs.block_nodes(&device);
    let [node] = &nodes[..] else {
        panic!("{nodes:?}")
    };
    assert!(!node.disc && node.node == "sdc1");
}

proptest! {
    #[test]
    fn whatever_descriptors_a_device_has_the_others_are_still_seen(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let tree = SysfsTree::new();
        tree.plug("1-1", 3, &bytes, &[]);
        tree.plug("1-2", 4, &descriptor_bytes(1, 1, DISK), &[]);
        let plugs = tree.sysfs().scan().unwrap();
        let good = plugs.iter().any(|p| p.name == "1-2" && matches!(p.state, PlugState::Device(_)));
        prop_assert!(good);
    }
}
