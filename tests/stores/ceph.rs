//! A Ceph cluster of the smallest kind: one monitor, one OSD that keeps everything in memory, one gateway.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use camdock::upload::StoreConfig;

use crate::process::{Server, free_port};

/// Access and secret keys of the bucket's owner and of a station.
const USERS: [(&str, &str, &str); 2] = [
    ("owner", "ownerkey", "ownersecret"),
    ("station", "stationkey", "stationsecret"),
];

/// The daemons, in the order in which they end.
pub struct Ceph {
    _gateway: Server,
    _osd: Server,
    _monitor: Server,
    endpoint: String,
}

/// The packages as `make setup` unpacks them.
struct Packages {
    root: PathBuf,
    dir: PathBuf,
}

impl Packages {
    /// `before`: what runs it.
    fn command(&self, before: &[&str], program: &str) -> Command {
        let lib = self.root.join("usr/lib").join(arch());
        let libraries = [
            lib.clone(),
            lib.join("ceph"),
            self.root.join("usr/lib"),
            self.root.join("lib").join(arch()),
        ];
        let program = self.root.join("usr/bin").join(program);
        let mut command = match before {
            [first, more @ ..] => {
                let mut command = Command::new(first);
                command.args(more).arg(program);
                command
            }
            [] => Command::new(program),
        };
        command
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap())
            .env("CEPH_CONF", self.dir.join("ceph.conf"))
            .current_dir(&self.dir);
        command
    }

    /// Runs it to its end, for two minutes at most: on a full disk a cluster answers nobody.
    fn run(&self, program: &str, args: &[&str]) {
        let mut command = self.command(&["timeout", "--kill-after=5", "120"], program);
        let done = command.args(args).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.success(),
            "{program} {args:?}: {}: {said}",
            done.status
        );
    }

    fn daemon(&self, program: &str, args: &[&str]) -> Server {
        let log = File::create(self.dir.join(format!("{program}.out"))).unwrap();
        Server::start(
            self.command(&[], program)
                .args(args)
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        )
    }
}

fn arch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

fn settings(dir: &Path, root: &Path, monitor: u16, gateway: u16, id: &str) -> String {
    let (dir, lib) = (dir.display(), root.join("usr/lib").join(arch()));
    let lib = lib.display();
    format!(
        "[global]
fsid = {id}
mon_initial_members = a
mon_host = v1:127.0.0.1:{monitor}
public_addr = 127.0.0.1
public_network = 127.0.0.0/8
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
run_dir = {dir}
admin_socket = {dir}/$name.asok
log_file = {dir}/$name.log
crash_dir = {dir}/crash
mon_data = {dir}/mon
osd_data = {dir}/osd
plugin_dir = {lib}/ceph
erasure_code_dir = {lib}/ceph/erasure-code
osd_class_dir = {lib}/rados-classes
osd_objectstore = memstore
memstore_device_bytes = 1073741824
rgw_frontends = beast endpoint=127.0.0.1:{gateway}
"
    )
}

impl Ceph {
    /// `None` where `make setup` could not fetch the packages, which Debian has for some machines only.
    pub fn start(dir: &Path) -> Option<Self> {
        let root = crate::support::tools_dir().join("ceph");
        if !root.join("usr/bin/radosgw").exists() {
            return None;
        }
        let (monitor, gateway) = (free_port(), free_port());
        let id = uuid::Uuid::now_v7().to_string();
        let text = settings(dir, &root, monitor, gateway, &id);
        fs::write(dir.join("ceph.conf"), text).unwrap();
        fs::create_dir(dir.join("osd")).unwrap();
        let ceph = Packages {
            root,
            dir: dir.to_owned(),
        };
        let address = format!("[v1:127.0.0.1:{monitor}]");
        let map = ["--create", "--addv", "a", &address, "--fsid", &id, "monmap"];
        ceph.run("monmaptool", &map);
        ceph.run("ceph-mon", &["-i", "a", "--mkfs", "--monmap", "monmap"]);
        let first = ceph.daemon("ceph-mon", &["-i", "a", "-f"]);
        let osd = uuid::Uuid::now_v7().to_string();
        ceph.new_osd(&osd);
        ceph.run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", &osd]);
        let second = ceph.daemon("ceph-osd", &["-i", "0", "-f"]);
        for (name, access, secret) in USERS {
            let user = [
                "user",
                "create",
                &format!("--uid={name}"),
                &format!("--display-name={name}"),
                &format!("--access-key={access}"),
                &format!("--secret-key={secret}"),
            ];
            ceph.run("radosgw-admin", &user);
        }
        let third = ceph.daemon("radosgw", &["-f", "-n", "client.admin"]);
        Some(Self {
            _gateway: third,
            _osd: second,
            _monitor: first,
            endpoint: format!("http://127.0.0.1:{gateway}"),
        })
    }

    /// The access of one of the users.
    pub fn config(&self, user: &str) -> StoreConfig {
        let keys = USERS.iter().find(|(name, ..)| *name == user).unwrap();
        let mut config = StoreConfig::new("us-east-1", "evidence", keys.1, keys.2);
        config.endpoint = Some(self.endpoint.clone());
        config.path_style = true;
        config
    }
}

impl Packages {
    /// Asks the monitor for the first OSD as soon as it answers. The program is Debian's Python.
    fn new_osd(&self, id: &str) {
        let limit = Instant::now() + Duration::from_mins(1);
        loop {
            let library = self.command(&[], "ceph");
            let mut command = Command::new("/usr/bin/python3");
            for (name, value) in library.get_envs() {
                command.env(name, value.unwrap());
            }
            let done = command
                .env(
                    "PYTHONPATH",
                    self.root.join("usr/lib/python3/dist-packages"),
                )
                .arg(library.get_program())
                .args(["--connect-timeout", "5", "osd", "new", id, "0"])
                .current_dir(&self.dir)
                .output()
                .unwrap();
            if done.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(Instant::now() < limit, "no OSD: {said}");
        }
    }
}
