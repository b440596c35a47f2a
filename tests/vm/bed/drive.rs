//! An optical drive on USB: its discs are put in and taken out while it stays plugged in.

use serde_json::json;

use super::guest::Guest;
use super::medium::Medium;
use super::plug::Media;

impl Guest {
    /// Plugs an empty drive into a port of the guest's controller.
    #[track_caller]
    pub fn plug_drive(&mut self, port: u8) {
        let bridge = json!({"driver": "usb-bot", "id": format!("bridge{port}"), "bus": "xhci.0",
            "port": port.to_string(), "serial": format!("DRIVE-{port}")});
        self.qemu.qmp("device_add", bridge);
        let drive = json!({"driver": "scsi-cd", "id": format!("camera{port}"),
            "bus": format!("bridge{port}.0"), "lun": 0, "rerror": "report"});
        self.qemu.qmp("device_add", drive);
        let attach = json!({"path": format!("/machine/peripheral/bridge{port}"),
            "property": "attached", "value": true});
        self.qemu.qmp("qom-set", attach);
    }

    /// Puts a disc into the drive; returns the guest's time just before.
    #[track_caller]
    pub fn insert(&mut self, port: u8, medium: &Medium, media: &Media) -> f64 {
        let (node, drive) = (format!("disc{port}"), format!("camera{port}"));
        self.add_medium(&node, medium, media);
        let inserted = self.agent.clock(None).0;
        self.qemu
            .qmp("blockdev-open-tray", json!({"id": drive, "force": true}));
        let insert = json!({"id": drive, "node-name": node});
        self.qemu.qmp("blockdev-insert-medium", insert);
        self.qemu.qmp("blockdev-close-tray", json!({"id": drive}));
        inserted
    }

    /// Presses the drive's button: the guest, which has locked the tray, is asked to open it. Then takes the disc out.
    #[track_caller]
    pub fn eject(&mut self, port: u8) {
        let drive = format!("camera{port}");
        let _ = self
            .qemu
            .try_qmp("blockdev-open-tray", json!({"id": drive}));
        let opened = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let remove = json!({"id": drive});
            self.qemu.try_qmp("blockdev-remove-medium", remove).is_ok()
        });
        assert!(
            opened,
            "the guest did not open the tray of the drive in port {port}"
        );
        self.block_node_goes(&format!("disc{port}"));
    }

    /// Pulls out the drive and what is in it. QEMU keeps that disc's node, so the port takes no further drive.
    #[track_caller]
    pub fn pull_drive(&mut self, port: u8) {
        self.qemu
            .qmp("device_del", json!({"id": format!("bridge{port}")}));
    }
}
