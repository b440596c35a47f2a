use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Outcome, usage};
use crate::camera::ptp::{LinkTiming, PtpCamera, PtpError, PtpFacts, UsbTransport};
use crate::camera::{Camera, CameraEntry, CameraError};
use crate::config::{Access, Config, Profile, Profiles};
use crate::dock::usb::{PlugState, Sysfs, UsbVerdict, judge};
use crate::model::{FileFacts, Sha256Digest, UsbDevice};

/// Reads docked USB cameras without the service, to find faults. It changes nothing.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: CameraVerb,
}

#[derive(clap::Subcommand)]
enum CameraVerb {
    /// Print as JSON what an MTP or PTP camera reports about itself, and its files
    ///
    /// Without --bus and --address it reads the only MTP or PTP camera that is plugged in. The service must not read the
    /// camera at the same time. Exit code 3: something could not be listed or read.
    Probe(ProbeArgs),
}

#[derive(clap::Args)]
struct ProbeArgs {
    /// The USB bus, as `lsusb` shows it
    #[arg(long, requires = "address")]
    bus: Option<u8>,
    /// The address on the bus, as `lsusb` shows it
    #[arg(long, requires = "bus")]
    address: Option<u8>,
    /// Also read every file, and print its SHA-256 and the time it took
    #[arg(long)]
    hash: bool,
    /// The most entries to list
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    max_files: u64,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let CameraVerb::Probe(probe) = args.verb;
    // The built-in profiles do where there is no configuration.
    let profiles = match Config::load(config) {
        Ok(loaded) => loaded.profiles,
        Err(_) => Profiles::builtin(),
    };
    let (device, profile) = find(&probe, &profiles)?;
    let facts = PtpFacts {
        device: device.clone(),
        unlocked: None,
    };
    let transport = UsbTransport::open_ptp(&device).map_err(|error| CameraError::Device {
        at: facts.at(),
        source: PtpError::from(error),
    })?;
    let camera = PtpCamera::open(Box::new(transport), facts, &profile, LinkTiming::default())?;
    let mut camera = camera.with_max_files(probe.max_files);
    let (report, whole) = report(&mut camera, &device, &profile, probe.hash)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(if whole {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

fn find(probe: &ProbeArgs, profiles: &Profiles) -> anyhow::Result<(UsbDevice, Arc<Profile>)> {
    let plugs = Sysfs::new("/sys")
        .scan()
        .context("this kernel has no USB")?;
    let mut found = Vec::new();
    for plug in plugs {
        let named = match (probe.bus, probe.address) {
            (Some(bus), Some(address)) => (plug.bus, plug.address) == (bus, address),
            _ => true,
        };
        let PlugState::Device(device) = plug.state else {
            continue;
        };
        if let (true, UsbVerdict::Camera { profile, .. }) = (named, judge(&device, profiles))
            && profile.access == Access::Ptp
        {
            found.push((*device, profile));
        }
    }
    if found.len() > 1 {
        let list: Vec<_> = found
            .iter()
            .map(|(d, _)| format!("--bus {} --address {} ({})", d.bus, d.address, d.ids()))
            .collect();
        return Err(usage(format!("say which one: {}", list.join(", "))));
    }
    found
        .pop()
        .ok_or_else(|| usage("no MTP or PTP camera is plugged in there that a profile matches"))
}

/// The report, and whether everything could be read.
fn report(
    camera: &mut PtpCamera,
    device: &UsbDevice,
    profile: &Profile,
    hash: bool,
) -> anyhow::Result<(Value, bool)> {
    let info = camera.info();
    let storages: Vec<_> = camera
        .storages()?
        .into_iter()
        .map(|(id, info)| match info {
            Some(s) => {
                json!({"id": format!("{id:08x}"), "kind": s.kind, "filesystem": s.filesystem,
                "access": s.access, "capacity": s.capacity, "free": s.free,
                "description": s.description, "label": s.label})
            }
            None => json!({"id": format!("{id:08x}")}),
        })
        .collect();
    let condition = camera.condition();
    let began = Instant::now();
    let (mut listed, mut refused): (Vec<FileFacts>, Vec<Value>) = Default::default();
    camera.list(&mut |entry| {
        match entry {
            CameraEntry::File(facts) => listed.push(facts),
            CameraEntry::Refused(r) => {
                refused.push(json!({"name": r.name, "code": r.code, "reason": r.reason}));
            }
        }
        ControlFlow::Continue(())
    })?;
    let listing = began.elapsed().as_secs_f64();
    let mut whole = refused.is_empty();
    let mut files = Vec::new();
    for facts in listed {
        let mut file = json!({"path": facts.path, "size": facts.size, "modified": facts.modified,
            "kind": facts.kind, "flagged": facts.flagged});
        if hash {
            let began = Instant::now();
            match digest(camera, &facts) {
                Ok(digest) => file["sha256"] = json!(digest),
                Err(error) => {
                    whole = false;
                    file["error"] = json!(format!("{error:#}"));
                    // The camera is gone: reading other files would fail, too.
                    if !camera.still_there() {
                        files.push(file);
                        break;
                    }
                }
            }
            file["seconds"] = json!(began.elapsed().as_secs_f64());
        }
        files.push(file);
    }
    let operations: Vec<_> = info.operations.iter().map(|o| format!("{o:04X}")).collect();
    let report = json!({
        "device": device, "profile": profile.name, "camera": camera.identity().id,
        "manufacturer": info.manufacturer, "model": info.model, "version": info.version,
        "serial": info.serial, "operations": operations, "storages": storages,
        "clock": condition.clock, "battery_percent": condition.battery,
        "listing_seconds": listing, "files": files, "refused": refused,
    });
    Ok((report, whole))
}

fn digest(camera: &mut PtpCamera, facts: &FileFacts) -> anyhow::Result<Sha256Digest> {
    let mut file = camera.open(&facts.path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    if let Some(change) = file.recheck()? {
        anyhow::bail!("the file changed while it was read: {change}");
    }
    Ok(Sha256Digest(hasher.finalize().into()))
}
