//! `camdock demo`: the main job on one machine, with the real programs and nothing pretended.

mod weed;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::{Outcome, keygen, usage};
use crate::camera::{Camera as _, FolderCamera};
use crate::config::{Profiles, StationFiles};
use crate::durable;
use crate::journal::{ItemFilter, Journal};
use crate::model::Sha256Digest;
use crate::seal::Curve;

const BUCKET: &str = "evidence";

/// Runs a whole station on this machine: a real S3 server, folder cameras with footage, verified and opened again.
#[derive(clap::Args)]
#[command(after_help = "\
`make demo` sets everything up and calls this with real footage. Needs no input; ends with exit code 0.")]
pub struct Args {
    /// Folder whose sub-folders are cameras with footage
    #[arg(long, value_name = "FOLDER", env = "CAMDOCK_FOOTAGE")]
    footage: PathBuf,
    /// A new folder for everything that the demo makes; default: one in the temporary folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Remove the demo's folder at the end (default under CI=true)
    #[arg(long)]
    remove: bool,
}

struct Demo {
    dir: PathBuf,
    config: PathBuf,
    program: PathBuf,
}

pub fn run(args: Args) -> anyhow::Result<Outcome> {
    if !args.footage.is_dir() {
        return Err(usage(format!(
            "{} is no folder; `make demo` makes footage first",
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
    let demo = Demo {
        config: dir.join("camdock.toml"),
        program: std::env::current_exe()?,
        dir,
    };
    let result = demo.play(&args.footage);
    if args.remove || std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        fs::remove_dir_all(&demo.dir)
            .with_context(|| format!("cannot remove {}", demo.dir.display()))?;
        println!(
            "The demo's folder was removed again: it is kept where CI is not set and --remove is left out."
        );
    } else if result.is_ok() {
        demo.tell_places();
    }
    result
}

impl Demo {
    fn play(&self, footage: &Path) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        say(
            "1",
            "starts a real S3 server (SeaweedFS) on loopback, with an Object Lock bucket",
        );
        let weed = runtime.block_on(weed::start(&self.dir.join("store"), BUCKET))?;
        say(
            "2",
            "makes keys: two recipients of footage, and the station's own",
        );
        self.keys()?;
        self.configure(&weed.endpoint)?;
        say(
            "3",
            "docks the cameras and runs the station until everything is stored",
        );
        let docked = self.dock(footage)?;
        self.camdock(&["run", "--drain"])?;
        say(
            "4",
            "docks them again: nothing is read twice, everything is named as held",
        );
        self.camdock(&["run", "--drain"])?;
        say("5", "verifies the custody log and opens every stored item");
        let key = self.dir.join("keys/evidence-1.key.pem");
        self.camdock(&["verify", "--deep", "--key", &key.to_string_lossy()])?;
        say(
            "6",
            "opens one item with the second recipient's key and compares it with the original",
        );
        self.open_one(&docked)?;
        println!("\nEverything was sealed, stored, verified and opened again.");
        Ok(Outcome::Fine)
    }

    /// Where everything is that stays.
    fn tell_places(&self) {
        println!("It lies here:");
        for (what, path) in [
            ("configuration", "camdock.toml"),
            ("recipients' keys", "keys"),
            ("custody log", "state/log"),
            ("the store's data", "store/data"),
            ("docked cameras", "docked"),
        ] {
            println!("  {what:<17} {}", self.dir.join(path).display());
        }
        let (program, config) = (self.program.display(), self.config.display());
        println!("Look on with: {program} -c {config} items");
    }

    /// As [`Self::configure`] writes it.
    fn files(&self) -> StationFiles {
        StationFiles::new(self.dir.join("state"), self.dir.join("run"))
    }

    fn keys(&self) -> anyhow::Result<()> {
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
        Ok(())
    }

    fn configure(&self, endpoint: &str) -> anyhow::Result<()> {
        let text = format!(
            "[station]\nname = \"demo\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\nlog_origin = \"camdock/demo\"\n\
             [dock]\nfolders = [{{ path = \"docked\" }}]\nusb = false\n\
             [seal]\nrecipients = [\"keys/evidence-1.pub.pem\", \"keys/evidence-2.pub.pem\"]\n\
             [spool]\nreserve_bytes = 67108864\n\
             [store]\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\nbucket = \"{BUCKET}\"\npath_style = true\n\
             retention_days = 1\ncredentials_file = \"store-credentials.toml\"\n"
        );
        durable::write_unsynced(&self.config, text.as_bytes())?;
        let credentials = format!(
            "access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
            weed::ACCESS_KEY,
            weed::SECRET_KEY
        );
        durable::write_unsynced(
            &self.dir.join("store-credentials.toml"),
            credentials.as_bytes(),
        )?;
        Ok(())
    }

    /// Copies the footage to where cameras are docked, times kept.
    fn dock(&self, footage: &Path) -> anyhow::Result<PathBuf> {
        let docked = self.dir.join("docked");
        durable::create_dir(&docked)?;
        let mut roster = String::from("[cameras]\n");
        for camera in fs::read_dir(footage)? {
            let camera = camera?;
            if camera.file_type()?.is_dir() {
                let copied = Command::new("cp")
                    .arg("-a")
                    .arg(camera.path())
                    .arg(&docked)
                    .status()?;
                if !copied.success() {
                    bail!("cannot copy {}", camera.path().display());
                }
                let here = FolderCamera::open(
                    &docked.join(camera.file_name()),
                    "folder",
                    &Profiles::builtin(),
                )?;
                let name = here.identity().label().to_owned();
                println!(
                    "   docked {} in bay {}",
                    name,
                    camera.file_name().to_string_lossy()
                );
                let officer = 4711 + roster.lines().count() - 1;
                writeln!(roster, "\"{name}\" = {{ officer = \"{officer}\" }}")?;
            }
        }
        durable::write_unsynced(&self.dir.join("roster.toml"), roster.as_bytes())?;
        Ok(docked)
    }

    /// Runs one of our own verbs as a user would, in view.
    fn camdock(&self, verb: &[&str]) -> anyhow::Result<()> {
        println!("   $ camdock {}", verb.join(" "));
        let status = Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .args(verb)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .status()?;
        // A camera that is in no roster is taken, and needs attention: 3.
        match status.code() {
            Some(0) => Ok(()),
            code => bail!("camdock {} ended with {code:?}", verb.join(" ")),
        }
    }

    fn open_one(&self, docked: &Path) -> anyhow::Result<()> {
        let journal = Journal::open_read_only(&self.files().journal())?;
        let items = journal.list(&ItemFilter::default(), None, u32::MAX)?;
        // The largest is a video.
        let item = items.iter().max_by_key(|item| item.size);
        let item = item.context("nothing was taken")?;
        let out = self.dir.join("opened");
        let key = self.dir.join("keys/evidence-2.key.pem");
        self.camdock(&[
            "open",
            &item.id.to_string(),
            "--key",
            &key.to_string_lossy(),
            "-o",
            &out.to_string_lossy(),
        ])?;
        let bay = item.bay.as_ref().context("the item's bay is unknown")?;
        let path = std::str::from_utf8(item.path.as_bytes())?;
        let original = docked.join(bay.as_str()).join(path);
        let digest = |path: &Path| -> anyhow::Result<Sha256Digest> {
            Ok(Sha256Digest::of(&fs::read(path)?))
        };
        let (of_original, of_opened) = (digest(&original)?, digest(&out)?);
        if of_original != of_opened {
            bail!("{} differs from what was opened", original.display());
        }
        println!("   {path}: the opened file is the original, bit for bit ({of_original})");
        Ok(())
    }
}

fn say(step: &str, what: &str) {
    println!("\n{step}. {what}");
}
