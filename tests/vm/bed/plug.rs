//! Plugging devices into the guest's ports and pulling them out, over QMP.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::guest::Guest;
use super::medium::Medium;
use super::redir::{self, Part};

/// The behaviour of a medium.
pub enum Media {
    Good,
    /// Bytes a second.
    Slow(u64),
    /// Reading any of these sectors (512 bytes each) fails, always.
    Broken(Vec<u64>),
}

impl Guest {
    /// Plugs a USB disk into a port of the guest's controller, 1 to 8, or of a hub there, such as 5.1; returns the guest's
    /// time just before.
    #[track_caller]
    pub fn plug(
        &mut self,
        port: impl Display,
        serial: &str,
        medium: &Medium,
        media: &Media,
    ) -> f64 {
        let node = format!("medium{port}");
        self.add_medium(&node, medium, media);
        let plugged = self.agent.clock(None).0;
        // The disk is writable: the station must keep it from being written to.
        let device = json!({"driver": "usb-storage", "id": format!("camera{port}"), "bus": "xhci.0",
            "port": port.to_string(), "drive": node, "serial": serial, "rerror": "report"});
        self.qemu.qmp("device_add", device);
        plugged
    }

    /// Makes a medium known to QEMU under a name.
    #[track_caller]
    pub(super) fn add_medium(&mut self, node: &str, medium: &Medium, media: &Media) {
        let file = json!({"driver": "file", "filename": medium.path});
        let raw = |file: Value| json!({"driver": "raw", "node-name": node, "file": file});
        let image = match media {
            Media::Good => raw(file),
            Media::Slow(rate) => {
                let group = format!("slow-{node}");
                let limits = json!({"qom-type": "throttle-group", "id": group, "limits": {"bps-read": rate}});
                self.qemu.qmp("object-add", limits);
                let slow = json!({"driver": "throttle", "throttle-group": group, "file": file});
                raw(slow)
            }
            Media::Broken(sectors) => {
                let errors = sectors.iter().map(|sector| {
                    json!({"event": "read_aio", "iotype": "read", "errno": 5, "sector": sector, "once": false})
                });
                let errors: Vec<_> = errors.collect();
                raw(json!({"driver": "blkdebug", "image": file, "inject-error": errors}))
            }
        };
        self.qemu.qmp("blockdev-add", image);
    }

    /// Pulls out what is in the port, without any warning to the guest.
    #[track_caller]
    pub fn pull(&mut self, port: impl Display) {
        self.qemu
            .qmp("device_del", json!({"id": format!("camera{port}")}));
        self.block_node_goes(&format!("medium{port}"));
        let _ = self
            .qemu
            .try_qmp("object-del", json!({"id": format!("slow-medium{port}")}));
    }

    /// Plugs a hub of eight ports.
    #[track_caller]
    pub fn plug_hub(&mut self, port: u8) {
        let hub = json!({"driver": "usb-hub", "id": format!("hub{port}"), "bus": "xhci.0", "port": port.to_string()});
        self.qemu.qmp("device_add", hub);
    }

    /// Removes a hub as the kernel sees it: the hub and at once everything behind it are gone.
    #[track_caller]
    pub fn hub_goes(&mut self, port: u8) {
        self.shell(&format!("echo 1 >/sys/bus/usb/devices/1-{port}/remove"))
            .ends(0);
    }

    /// Unplugs the hub itself, once everything in it has been pulled out.
    #[track_caller]
    pub fn pull_hub(&mut self, port: u8) {
        self.qemu
            .qmp("device_del", json!({"id": format!("hub{port}")}));
    }

    /// Waits until the device has released its medium, a moment after it was pulled out.
    #[track_caller]
    pub(super) fn block_node_goes(&mut self, node: &str) {
        for _ in 0..500 {
            if self
                .qemu
                .try_qmp("blockdev-del", json!({"node-name": node}))
                .is_ok()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("QEMU does not release {node}");
    }

    /// Plugs a device made in the guest itself, as `guest/gadget.py` describes it; returns the guest's time just before.
    #[track_caller]
    pub fn plug_gadget(&mut self, gadget: &Value) -> f64 {
        let plugged = self.agent.clock(None).0;
        let made = gadget.to_string();
        let plug = ["/usr/local/lib/vm/gadget.py", "plug", &made];
        self.agent.run(&plug, b"", Duration::from_mins(1)).ends(0);
        plugged
    }

    #[track_caller]
    pub fn pull_gadget(&mut self, name: &str) {
        let pull = ["/usr/local/lib/vm/gadget.py", "pull", name];
        self.agent.run(&pull, b"", Duration::from_mins(1)).ends(0);
    }

    /// Plugs QEMU's own MTP device, which offers a folder of the host; returns the guest's time just before.
    #[track_caller]
    pub fn plug_mtp(&mut self, port: u8, folder: &Path) -> f64 {
        self.plug_mtp_with(port, folder, true)
    }

    /// As [`Guest::plug_mtp`]; one that is not read-only deletes from the folder on request.
    #[track_caller]
    pub fn plug_mtp_with(&mut self, port: u8, folder: &Path, readonly: bool) -> f64 {
        let plugged = self.agent.clock(None).0;
        let device = json!({"driver": "usb-mtp", "id": format!("camera{port}"), "bus": "xhci.0",
            "port": port.to_string(), "rootdir": folder, "desc": "card", "readonly": readonly});
        self.qemu.qmp("device_add", device);
        plugged
    }

    /// Plugs a device simulated by this process; returns the guest's time just before.
    #[track_caller]
    pub fn plug_scripted(&mut self, port: u8, part: Arc<Mutex<dyn Part>>) -> f64 {
        let socket = self.path(&format!("redir{port}"));
        let _ = std::fs::remove_file(&socket);
        redir::play(&socket, part);
        let backend = json!({"type": "socket", "data": {"server": false,
            "addr": {"type": "unix", "data": {"path": socket}}}});
        let chardev = format!("redir{port}");
        self.qemu
            .qmp("chardev-add", json!({"id": chardev, "backend": backend}));
        let plugged = self.agent.clock(None).0;
        let device = json!({"driver": "usb-redir", "id": format!("camera{port}"), "bus": "xhci.0",
            "port": port.to_string(), "chardev": chardev});
        self.qemu.qmp("device_add", device);
        plugged
    }

    /// Pulls out a device that is not a disk: QEMU's MTP device, or a simulated one.
    #[track_caller]
    pub fn pull_other(&mut self, port: u8) {
        self.qemu
            .qmp("device_del", json!({"id": format!("camera{port}")}));
        let chardev = json!({"id": format!("redir{port}")});
        for _ in 0..500 {
            let chardevs = self.qemu.qmp("query-chardev", json!({}));
            let there = chardevs
                .as_array()
                .unwrap()
                .iter()
                .any(|c| c["label"] == chardev["id"]);
            if !there || self.qemu.try_qmp("chardev-remove", chardev.clone()).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("QEMU does not release the device in port {port}");
    }

    /// The number of writes by the guest to the device in a port.
    pub fn writes(&mut self, port: u8) -> u64 {
        let stats = self.qemu.qmp("query-blockstats", json!({}));
        let qdev = format!("camera{port}");
        let of = |s: &&Value| s["qdev"].as_str().is_some_and(|path| path.contains(&qdev));
        let found = stats.as_array().unwrap().iter().find(of);
        let stats = &found.unwrap_or_else(|| panic!("no {qdev} in {stats}"))["stats"];
        stats["wr_operations"].as_u64().unwrap() + stats["unmap_operations"].as_u64().unwrap()
    }
}
