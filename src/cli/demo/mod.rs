//! `camdock demo`: a station and its office on one machine, made of the real programs.

mod advice;
mod office;
mod seaweed;
mod service;
mod station;

use std::fmt::Write as _;
use std::fs;
use std::io::{IsTerminal as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::office::RunningOffice;
use self::seaweed::SeaweedFs;
use self::service::Service;
use self::station::RunningStation;
use super::{Outcome, keygen, usage};
use crate::camera::{Camera as _, FolderCamera};
use crate::config::{Profiles, StationFiles};
use crate::durable;
use crate::journal::{ItemFilter, Journal};
use crate::model::Sha256Digest;
use crate::seal::Curve;
use crate::web::new_token;

const BUCKET: &str = "evidence";

/// Runs a station and its office on this machine: a real S3 server, folder cameras with footage, verified and opened again.
#[derive(clap::Args)]
#[command(after_help = "\
`make demo` sets everything up and runs this with real footage. It needs no input.
In a terminal, station and office stay up with their pages after the checks, until Ctrl-C.
With --once, or without a terminal, the demo ends after its checks.
Exit code 0 if every check passed.")]
pub struct Args {
    /// Folder whose sub-folders are cameras with footage
    #[arg(long, value_name = "FOLDER", env = "CAMDOCK_FOOTAGE")]
    footage: PathBuf,
    /// A new folder for everything that the demo makes; default: one in the temporary folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// End after the checks, even in a terminal
    #[arg(long)]
    once: bool,
    /// Remove the demo's folder at the end (default under CI=true)
    #[arg(long)]
    remove: bool,
}

struct Demo {
    dir: PathBuf,
    config: PathBuf,
    program: PathBuf,
    /// The configurations of the office and its key desk.
    office: PathBuf,
    key_desk: PathBuf,
    /// The pages of a demo that stays up.
    pages: Option<DemoPages>,
}

/// Where the pages are.
struct DemoPages {
    officers: String,
    office: String,
    /// Opens the office's.
    token: String,
}

/// The programs that run beside the demo. Fields are dropped in order: all stop before their store.
struct Programs {
    key_desk: Option<Service>,
    office: Option<RunningOffice>,
    station: Option<RunningStation>,
    store: SeaweedFs,
}

pub fn run(args: Args) -> anyhow::Result<Outcome> {
    if !args.footage.is_dir() {
        return Err(usage(format!(
            "{} is not a folder; `make demo` makes footage first",
            args.footage.display()
        )));
    }
    let dir = match &args.dir {
        Some(dir) if dir.exists() => {
            return Err(usage(format!(
                "{} exists already; name a new folder",
                dir.display()
            )));
        }
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::temp_dir().join(format!("camdock-demo-{}", std::process::id())),
    };
    durable::create_dir(&dir)?;
    let stays = !args.once && stdin().is_terminal() && stdout().is_terminal();
    let demo = Demo {
        config: dir.join("camdock.toml"),
        office: dir.join("office.toml"),
        key_desk: dir.join("keydesk.toml"),
        program: std::env::current_exe()?,
        dir,
        pages: stays.then(DemoPages::new).transpose()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let result = runtime.block_on(demo.run(&args.footage));
    if args.remove || std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        fs::remove_dir_all(&demo.dir)
            .with_context(|| format!("cannot remove {}", demo.dir.display()))?;
        println!(
            "The demo's folder was removed. It is kept without --remove, unless CI=true is set."
        );
    } else if result.is_ok() {
        demo.print_places();
    }
    result
}

impl DemoPages {
    fn new() -> anyhow::Result<Self> {
        let ports: [u16; 2] = seaweed::free_ports()?;
        let [officers, office] = ports.map(|port| format!("127.0.0.1:{port}"));
        let token = new_token().context("the system gives no randomness")?;
        Ok(Self {
            officers,
            office,
            token,
        })
    }
}

/// Signals that end a demo.
struct Interrupts([Signal; 3]);

impl Interrupts {
    fn new() -> std::io::Result<Self> {
        let [interrupt, terminate, hangup] = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

impl Demo {
    async fn run(&self, footage: &Path) -> anyhow::Result<Outcome> {
        let mut interrupts = Interrupts::new()?;
        if let Some(pages) = &self.pages {
            println!("Watch the station in a browser; its page is up in a few seconds:");
            println!("  officers' page   http://{}/", pages.officers);
        }
        let mut programs = tokio::select! {
            programs = self.play(footage) => programs?,
            () = interrupts.next() => bail!("the demo was interrupted before its checks were done"),
        };
        let Programs {
            key_desk,
            station,
            office,
            ..
        } = &mut programs;
        if let (Some(pages), Some(station), Some(office), Some(key_desk)) =
            (&self.pages, station, office, key_desk)
        {
            self.print_things_to_try(pages)?;
            tokio::select! {
                () = interrupts.next() => println!("\nThe station, the office and their store are stopped."),
                error = station.ended() => return Err(error),
                error = office.ended() => return Err(error),
                error = key_desk.ended() => return Err(error),
            }
        }
        drop(programs);
        Ok(Outcome::Fine)
    }

    async fn play(&self, footage: &Path) -> anyhow::Result<Programs> {
        say(
            "1",
            "starts a real S3 server (SeaweedFS) on loopback, with an Object Lock bucket",
        );
        let store = seaweed::start(&self.dir.join("store"), BUCKET).await?;
        let mut programs = Programs {
            key_desk: None,
            office: None,
            station: None,
            store,
        };
        say(
            "2",
            "makes keys: two recipients of footage, the station's own, and the office's",
        );
        let log_key = self.keys()?;
        self.configure(&programs.store.endpoint, &log_key)?;
        say(
            "3",
            "docks the cameras and runs the station until everything is stored",
        );
        let cameras = self.copy_cameras(footage).await?;
        if self.pages.is_some() {
            println!("   $ camdock run");
            let station = programs.station.insert(RunningStation::start(
                &self.program,
                &self.config,
                &self.dir,
            )?);
            station.until_ready().await?;
            self.dock(&cameras)?;
            station.until_stored(cameras.len()).await?;
        } else {
            self.dock(&cameras)?;
            self.camdock(&self.config, &["run", "--drain"]).await?;
        }
        say(
            "4",
            "docks them again: nothing is read twice, everything is named as held",
        );
        if let Some(station) = &mut programs.station {
            self.undock(&cameras)?;
            station.until_empty().await?;
            self.dock(&cameras)?;
            station.until_stored(cameras.len()).await?;
        } else {
            self.camdock(&self.config, &["run", "--drain"]).await?;
        }
        say("5", "verifies the custody log and opens every stored item");
        let key = self.dir.join("keys/evidence-1.key.pem");
        let viewer = self.dir.join("keys/viewer");
        let name = ["keygen", "confirmer", "--name", "viewer.demo", "--out"];
        let viewer = viewer.to_string_lossy();
        self.camdock(&self.config, &[&name[..], &[&*viewer]].concat())
            .await?;
        let deep = ["verify", "--deep", "--key", &key.to_string_lossy()];
        let viewing = self.viewing();
        let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
        self.camdock(&self.config, &[&deep[..], &more].concat())
            .await?;
        say(
            "6",
            "opens one item with the second recipient's key and compares it with the original",
        );
        let items = self.open_one().await?;
        say(
            "7",
            "starts an office: it knows the station's public key, witnesses its log, and compares the bucket with it",
        );
        println!("   $ camdock office run");
        let office = RunningOffice::start(&self.program, &self.office, &self.dir)?;
        programs.office.insert(office).until_compared(items).await?;
        self.camdock(&self.office, &["office", "status"]).await?;
        say(
            "8",
            "starts a key desk: it holds one recipient's key, and seals single item keys to people's own keys",
        );
        self.camdock(&self.key_desk, &["office", "keydesk", "check"])
            .await?;
        println!("   $ camdock office keydesk run");
        let desk = office::start_key_desk(&self.program, &self.key_desk, &self.dir)?;
        programs.key_desk.insert(desk).still_runs()?;
        println!(
            "\nEverything was sealed, stored, verified, opened again, and found by the office."
        );
        Ok(programs)
    }

    /// The files of the station, as [`Self::configure`] names their folders.
    fn files(&self) -> StationFiles {
        StationFiles::new(self.dir.join("state"), self.dir.join("run"))
    }

    /// Makes them; returns the key that the station's log is verified with.
    fn keys(&self) -> anyhow::Result<String> {
        let keys = self.dir.join("keys");
        durable::create_dir(&keys)?;
        for (name, curve) in [("evidence-1", Curve::P384), ("evidence-2", Curve::P256)] {
            keygen::recipient(
                &keys.join(format!("{name}.key.pem")),
                &keys.join(format!("{name}.pub.pem")),
                curve,
            )?;
        }
        let log_key = keygen::station(&self.files(), "camdock/demo")?;
        println!("   the log's public key: {log_key}");
        Ok(log_key)
    }

    fn configure(&self, endpoint: &str, log_key: &str) -> anyhow::Result<()> {
        let store = format!(
            "endpoint = \"{endpoint}\"\nregion = \"us-east-1\"\nbucket = \"{BUCKET}\"\npath_style = true\n\
             retention_days = 1\ncredentials_file = \"store-credentials.toml\"\n"
        );
        let text = format!(
            "[station]\nname = \"demo\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\nlog_origin = \"camdock/demo\"\n\
             [dock]\nfolders = [{{ path = \"docked\" }}]\nusb = false\n\
             [seal]\nrecipients = [\"keys/evidence-1.pub.pem\", \"keys/evidence-2.pub.pem\"]\n\
             [spool]\nreserve_bytes = 67108864\n\
             [store]\n{store}"
        );
        let pages = self.pages.as_ref().map_or_else(String::new, |pages| {
            format!("[web]\nlisten = \"{}\"\n", pages.officers)
        });
        durable::write_unsynced(&self.config, (text + &pages).as_bytes())?;
        let credentials = format!(
            "access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
            seaweed::ACCESS_KEY,
            seaweed::SECRET_KEY
        );
        durable::write_unsynced(
            &self.dir.join("store-credentials.toml"),
            credentials.as_bytes(),
        )?;
        office::configure(
            &self.office,
            &self.key_desk,
            log_key,
            &store,
            self.pages.as_ref(),
        )
    }

    /// Copies the cameras with their times, enters them in the roster, and returns the names of their folders.
    async fn copy_cameras(&self, footage: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let copies = self.dir.join("cameras");
        durable::create_dir(&copies)?;
        durable::create_dir(&self.dir.join("docked"))?;
        let mut roster = String::from("[cameras]\n");
        let mut cameras = Vec::new();
        for camera in fs::read_dir(footage)? {
            let camera = camera?;
            if !camera.file_type()?.is_dir() {
                continue;
            }
            let copied = Command::new("cp")
                .arg("-a")
                .arg(camera.path())
                .arg(&copies)
                .kill_on_drop(true)
                .status()
                .await?;
            if !copied.success() {
                bail!("cannot copy {}", camera.path().display());
            }
            let folder = PathBuf::from(camera.file_name());
            let copy = FolderCamera::open(&copies.join(&folder), "folder", &Profiles::builtin())?;
            let name = copy.identity().label().to_owned();
            println!("   camera {name} goes into bay {}", folder.display());
            let officer = 4711 + cameras.len();
            writeln!(roster, "\"{name}\" = {{ officer = \"{officer}\" }}")?;
            cameras.push(folder);
        }
        durable::write_unsynced(&self.dir.join("roster.toml"), roster.as_bytes())?;
        Ok(cameras)
    }

    fn dock(&self, cameras: &[PathBuf]) -> anyhow::Result<()> {
        self.move_cameras(cameras, "cameras", "docked")
    }

    fn undock(&self, cameras: &[PathBuf]) -> anyhow::Result<()> {
        self.move_cameras(cameras, "docked", "cameras")
    }

    fn move_cameras(&self, cameras: &[PathBuf], from: &str, to: &str) -> anyhow::Result<()> {
        for camera in cameras {
            let (from, to) = (
                self.dir.join(from).join(camera),
                self.dir.join(to).join(camera),
            );
            durable::rename_new(&from, &to)?;
        }
        Ok(())
    }

    /// Runs one of our own verbs as a user would, in view.
    async fn camdock(&self, config: &Path, verb: &[&str]) -> anyhow::Result<()> {
        println!("   $ camdock {}", verb.join(" "));
        let status = Command::new(&self.program)
            .arg("--config")
            .arg(config)
            .args(verb)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await?;
        match status.code() {
            Some(0) => Ok(()),
            code => bail!("camdock {} ended with {code:?}", verb.join(" ")),
        }
    }

    /// Why items are opened here, and the key that signs it in the bucket.
    fn viewing(&self) -> [String; 4] {
        let key = self.dir.join("keys/viewer.key");
        let key = key.to_string_lossy().into_owned();
        [
            "--reason".into(),
            "The demonstration opens what it stored".into(),
            "--signer".into(),
            key,
        ]
    }

    /// Opens the largest item; returns how many items there are.
    async fn open_one(&self) -> anyhow::Result<u64> {
        let journal = Journal::open_read_only(&self.files().journal())?;
        let items = journal.list(&ItemFilter::default(), None, u32::MAX)?;
        // The largest is a video.
        let item = items.iter().max_by_key(|item| item.size);
        let item = item.context("nothing was taken")?;
        let out = self.dir.join("opened");
        let key = self.dir.join("keys/evidence-2.key.pem");
        let (id, key, opened) = (
            item.id.to_string(),
            key.to_string_lossy(),
            out.to_string_lossy(),
        );
        let open = ["open", &id, "--key", &key, "-o", &opened];
        let viewing = self.viewing();
        let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
        self.camdock(&self.config, &[&open[..], &more].concat())
            .await?;
        let bay = item.bay.as_ref().context("the item's bay is unknown")?;
        let path = std::str::from_utf8(item.path.as_bytes())?;
        let original = self.dir.join("docked").join(bay.as_str()).join(path);
        let digest = |path: &Path| -> anyhow::Result<Sha256Digest> {
            Ok(Sha256Digest::of(&fs::read(path)?))
        };
        let (of_original, of_opened) = (digest(&original)?, digest(&out)?);
        if of_original != of_opened {
            bail!("{} differs from what was opened", original.display());
        }
        println!("   {path}: the opened file is the original, bit for bit ({of_original})");
        Ok(items.len() as u64)
    }
}

fn say(step: &str, what: &str) {
    println!("\n{step}. {what}");
}
