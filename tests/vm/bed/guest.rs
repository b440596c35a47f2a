//! A guest for one case.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::agent::{Agent, Ran};
use super::disk::{Cut, LossyDisk};
use super::install;
use super::kept::{BOOT_LIMIT, DISKS, Snapshot, Turn, copy, disks};
use super::medium::{Layout, Medium};
use super::qemu::{Disk, Machine, Qemu};
use super::station::Footage;

/// The time limit of a command in the guest.
const COMMAND_LIMIT: Duration = Duration::from_mins(2);

pub struct Guest {
    pub qemu: Qemu,
    pub agent: Agent,
    snapshot: Snapshot,
    lossy: Option<LossyDisk>,
    dir: TempDir,
    _turn: Turn,
}

impl Guest {
    /// A guest with the service installed and running, and nothing docked.
    pub fn installed() -> Self {
        let turn = Turn::wait();
        let snapshot = turn.installed();
        let scratch = disks(&snapshot.dir, Disk::Scratch);
        Self::of(turn, snapshot, new_dir(), scratch, None)
    }

    /// A freshly booted guest with a store, without the service.
    pub fn bare() -> Self {
        let turn = Turn::wait();
        let snapshot = turn.booted().0;
        let scratch = disks(&snapshot.dir, Disk::Scratch);
        Self::of(turn, snapshot, new_dir(), scratch, None)
    }

    /// As [`Guest::installed`], on a disk whose power can be cut. The store's disk keeps everything, as a store on other
    /// machines does.
    pub fn on_lossy_disk() -> Self {
        let turn = Turn::wait();
        let snapshot = turn.installed();
        let dir = new_dir();
        let disk = LossyDisk::serve(&snapshot.dir.join(DISKS[0]), &dir.path().join("nbd"));
        copy(&snapshot.dir.join(DISKS[1]), &dir.path().join(DISKS[1]));
        let both = lossy_disks(&disk, dir.path());
        Self::of(turn, snapshot, dir, both, Some(disk))
    }

    fn of(
        turn: Turn,
        snapshot: Snapshot,
        dir: TempDir,
        disks: [Disk; 2],
        lossy: Option<LossyDisk>,
    ) -> Self {
        let (qemu, agent) = snapshot.resume(disks, dir.path());
        Self {
            qemu,
            agent,
            snapshot,
            lossy,
            dir,
            _turn: turn,
        }
    }

    /// Boots a guest on this terminal, for `make vm`; its disks are dropped at the end.
    pub fn on_terminal() {
        let turn = Turn::wait();
        let snapshot = turn.installed();
        let dir = new_dir();
        let machine = Machine {
            image: &snapshot.image,
            disks: disks(&snapshot.dir, Disk::Scratch),
            resume: None,
            terminal: true,
        };
        println!(
            "Log in as root, without a password; `poweroff` ends it. Its QMP socket: {}",
            dir.path().join("qmp").display()
        );
        let (qemu, _agent) = Qemu::start(&machine, dir.path());
        qemu.wait();
    }

    pub fn install(&mut self) {
        install::carry_out(&mut self.agent, &install::steps());
    }

    /// Runs a shell's line as root.
    #[track_caller]
    pub fn shell(&mut self, line: &str) -> Ran {
        self.agent.run(&["sh", "-ec", line], b"", COMMAND_LIMIT)
    }

    /// Reboots in order, as an operator would; returns when the guest is up again.
    #[track_caller]
    pub fn reboot(&mut self) {
        let before = self.agent.clock(None).1;
        self.shell("systemctl reboot").ends(0);
        let after = self.agent.hello(BOOT_LIMIT);
        assert_ne!(before, after);
        self.wait_until_up();
    }

    /// Cuts the power without any warning, then boots again on a disk that lost those unflushed sectors that `choose` picks.
    #[track_caller]
    pub fn cut_power(&mut self, choose: impl FnMut() -> bool) -> Cut {
        self.qemu.kill();
        let disk = self.lossy.as_ref().expect("a guest on a lossy disk");
        let cut = disk.cut(choose);
        let machine = Machine {
            image: &self.snapshot.image,
            disks: lossy_disks(disk, self.dir.path()),
            resume: None,
            terminal: false,
        };
        let (qemu, port) = Qemu::start(&machine, self.dir.path());
        (self.qemu, self.agent) = (qemu, Agent::new(port));
        self.agent.hello(BOOT_LIMIT);
        self.wait_until_up();
        cut
    }

    #[track_caller]
    fn wait_until_up(&mut self) {
        let wait = ["systemctl", "is-system-running", "--wait"];
        let up = self.agent.run(&wait, b"", BOOT_LIMIT).text();
        let failed = self.shell("systemctl --failed").text();
        assert_eq!(up.trim(), "running", "{failed}");
    }

    /// Makes a medium with footage; it is removed with the guest.
    pub fn medium(&self, name: &str, layout: Layout, footage: &Footage) -> Medium {
        Medium::new(self.path(name), layout, footage)
    }

    /// Makes a folder of the host with footage; it is removed with the guest.
    pub fn folder(&self, name: &str, footage: &Footage) -> PathBuf {
        let folder = self.path(name);
        footage.write_below(&folder);
        folder
    }

    /// Where the case may put files of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The disk of [`Guest::on_lossy_disk`].
    pub fn lossy(&self) -> &LossyDisk {
        self.lossy.as_ref().unwrap()
    }
}

fn new_dir() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("camdock-vm-").tempdir().unwrap()
}

fn lossy_disks(disk: &LossyDisk, dir: &Path) -> [Disk; 2] {
    [
        Disk::Nbd(disk.socket.clone()),
        Disk::Kept(dir.join(DISKS[1])),
    ]
}

impl Drop for Guest {
    /// A failing case prints the guest's logs.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.qemu.said());
            // The kernel's, the service's and the mount helper's lines, in one order.
            let journal =
                "journalctl --no-pager -o short-monotonic | grep -v weed.py | tail -n 150";
            let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let limit = Duration::from_secs(20);
                self.agent.run(&["sh", "-c", journal], b"", limit).text()
            }));
            println!(
                "journal:\n{}",
                said.unwrap_or_else(|_| "the agent does not answer".into())
            );
        }
    }
}
