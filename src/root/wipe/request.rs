//! Separates a request's claims from what is true of them: the docked device behind it, and each file's proof.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::is_mounted;
use crate::audit::{WipeTrust, prove};
use crate::dock::usb::{BlockNode, PlugState, Sysfs, hostile};
use crate::model::{CameraId, Left, Mounted, Proven, SourcePath, WipeRequest, WipeResult};
use crate::root::media::Media;

pub fn parse(bytes: &[u8]) -> anyhow::Result<WipeRequest> {
    let request: WipeRequest = serde_json::from_slice(bytes).context("it is not a wipe request")?;
    if request.v != 1 {
        bail!("it is of version {}", request.v);
    }
    if request.files.is_empty() || request.files.len() > WipeRequest::FILES_MAX {
        bail!("it names {} files", request.files.len());
    }
    let named = (1..=200).contains(&request.port.len())
        && !request.port.starts_with('.')
        && request
            .port
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if !named {
        bail!("its port is not a port name");
    }
    Ok(request)
}

/// The device that is mounted for a port, as the kernel shows it now.
pub struct Plugged {
    pub mounted: Mounted,
    pub folder: PathBuf,
    /// The serial of its USB descriptor.
    pub serial: String,
    nodes: Vec<BlockNode>,
}

impl Plugged {
    /// Fails with the reason, unless root's own marker, the kernel's device and its serial all agree.
    pub fn find(media: &Media, sysfs: &Sysfs, port: &str) -> Result<Self, String> {
        let mounted = media
            .read(port)
            .filter(|mounted| mounted.device.port == port)
            .ok_or_else(|| format!("nothing is mounted for the port {port:?}"))?;
        let device = match sysfs.plug(&mounted.device.name).map(|plug| plug.state) {
            Some(PlugState::Device(device)) if *device == mounted.device => device,
            _ => return Err("the device that was mounted is not plugged in any more".into()),
        };
        if let Some(reason) = hostile(&device) {
            return Err(reason);
        }
        let serial =
            serial_of(device.serial.as_deref()).ok_or("the device gives no usable serial")?;
        // A file that has the same name as another cannot be distinguished from it.
        let plugs = sysfs.scan().map_err(|error| error.to_string())?;
        let twins = plugs.iter().filter(|plug| match &plug.state {
            PlugState::Device(other) => {
                serial_of(other.serial.as_deref()).as_ref() == Some(&serial)
            }
            _ => false,
        });
        if twins.count() != 1 {
            return Err(format!("another device has the serial {serial:?}, too"));
        }
        Ok(Self {
            folder: media.folder(port),
            nodes: sysfs.block_nodes(&device),
            mounted,
            serial,
        })
    }

    /// The block device of a storage: mounted as root's marker says, and still that of the device.
    pub fn node(&self, storage: &str) -> io::Result<&BlockNode> {
        let known = self.mounted.storages.iter().find(|s| s.name == storage);
        known
            .filter(|known| is_mounted(&known.state))
            .and_then(|known| {
                self.nodes
                    .iter()
                    .find(|node| node.storage_name() == storage && node.node == known.node)
            })
            .ok_or_else(|| io::Error::other(format!("the storage {storage} is not mounted")))
    }

    /// The storage that a path lies in, and its path there: as the station reads such cameras.
    fn place(&self, path: &SourcePath) -> Option<(String, SourcePath)> {
        let (first, others) = self.mounted.storages.split_first()?;
        for storage in others {
            let rest = path.as_bytes().strip_prefix(storage.name.as_bytes());
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b"/")) {
                return Some((storage.name.clone(), SourcePath::new(rest).ok()?));
            }
        }
        Some((first.name.clone(), path.clone()))
    }
}

fn serial_of(text: Option<&str>) -> Option<String> {
    // The make is of no interest here, only that the serial is one that the station would take.
    let id = CameraId::new("any", text?)?;
    Some(id.serial().to_owned())
}

/// A file whose proof holds, on its storage.
pub struct Placed {
    /// In the request.
    pub index: usize,
    pub proven: Proven,
    pub storage: String,
    pub inner: SourcePath,
}

/// Every file that is proven, is of this very camera, and is named once; all others get their result.
pub fn placed(
    request: &WipeRequest,
    plugged: &Plugged,
    trust: &WipeTrust,
    now: Timestamp,
    results: &mut [Option<WipeResult>],
) -> Vec<Placed> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for (index, proof) in request.files.iter().enumerate() {
        let proven = match prove(proof, trust, request.level, now) {
            Ok(proven) => proven,
            Err(left) => {
                results[index] = Some(WipeResult::nameless(&left));
                continue;
            }
        };
        let left = if proven.camera.serial() != plugged.serial {
            Left::new(
                "camera_differs",
                format!(
                    "it was taken from {}, and this is {}",
                    proven.camera, plugged.serial
                ),
            )
        } else if !seen.insert(proven.path.clone()) {
            Left::new("named_twice", "the request names it twice")
        } else if let Some((storage, inner)) = plugged.place(&proven.path) {
            all.push(Placed {
                index,
                proven,
                storage,
                inner,
            });
            continue;
        } else {
            Left::new("no_storage", "it lies on no storage of this camera")
        };
        results[index] = Some(WipeResult::left(&proven, &left));
    }
    all
}
