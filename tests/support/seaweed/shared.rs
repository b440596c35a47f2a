//! One store for all test processes of a run: each of them would wait three seconds for a store of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use camdock::model::Sha256Digest;

use super::{Ports, SeaweedFs, Station, identities};

impl SeaweedFs {
    /// The store with these identities of this run of nextest; it ends with the run. Without nextest it is one of this process.
    /// Its users make buckets of their own, and neither kill nor empty it.
    #[allow(dead_code, reason = "not every test program shares its store")]
    pub fn shared(stations: &[Station]) -> Self {
        match std::env::var("NEXTEST_RUN_ID") {
            Ok(run) => Self::of_run(&run, stations),
            Err(_) => Self::start_with(stations),
        }
    }

    fn of_run(run: &str, stations: &[Station]) -> Self {
        let identities = identities(stations);
        let digest = Sha256Digest::of(identities.as_bytes()).to_string();
        let dir = std::env::temp_dir().join(format!("camdock-seaweed-{run}-{}", &digest[..12]));
        fs::create_dir_all(&dir).unwrap();
        let lock = File::create(dir.join("lock")).unwrap();
        lock.lock().unwrap();
        if let Some(ports) = known_ports(&dir) {
            return Self::at(dir, ports);
        }
        // Whoever was killed while it started leaves a folder.
        let _ = fs::remove_dir_all(dir.join("data"));
        fs::create_dir(dir.join("data")).unwrap();
        fs::write(dir.join("s3.json"), identities).unwrap();
        let mut server = Self::at(dir.clone(), Ports::free());
        server.begin(Some(std::os::unix::process::parent_id()));
        let ports = server.ports.all().map(|port| port.to_string()).join(" ");
        fs::write(dir.join("ports.new"), ports).unwrap();
        fs::rename(dir.join("ports.new"), dir.join("ports")).unwrap();
        // The server and its guard outlive this process.
        std::mem::forget(server.running.take());
        server
    }

    fn at(dir: PathBuf, ports: Ports) -> Self {
        Self {
            running: None,
            dir,
            own: None,
            ports,
            tls: None,
        }
    }
}

fn known_ports(dir: &Path) -> Option<Ports> {
    let text = fs::read_to_string(dir.join("ports")).ok()?;
    let ports: Vec<u16> = text.split(' ').map(|port| port.parse().unwrap()).collect();
    Some(Ports::of(ports.try_into().unwrap()))
}
