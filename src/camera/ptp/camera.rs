use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::PtpError;
use super::condition;
use super::dataset::{DeviceInfo, StorageInfo, parse_handles};
use super::erase::Eraser;
use super::file::{PtpFile, SharedSession};
use super::link::LinkTiming;
use super::object::ObjectFacts;
use super::object_walk::{Index, ObjectWalk};
use super::prop_lists::PropLists;
use super::session::{DATASET_MAX, PtpSession, Query};
use super::transport::{BulkTransport, Presence};
use super::wire::{op, rc};
use crate::camera::{Camera, CameraEntry, CameraError, CameraFile, WipeOrder};
use crate::config::{IdentitySource, Profile};
use crate::model::{
    CameraDevice, CameraId, CameraIdentity, Condition, Explain as _, FileTimes, SourcePath,
    UsbDevice, WipeAnswer,
};

/// The facts that are known of a camera before its session is opened.
#[derive(Debug, Clone)]
pub struct PtpFacts {
    /// From the device's descriptors.
    pub device: UsbDevice,
    /// The identity that the camera gave when it was unlocked.
    pub unlocked: Option<CameraId>,
}

impl PtpFacts {
    /// For people: the port and the device ids.
    pub fn at(&self) -> String {
        format!("{} ({})", self.device.port, self.device.ids())
    }
}

/// A camera that is read by PTP or MTP. Its session is closed when it and its open files are dropped.
pub struct PtpCamera {
    pub(super) session: SharedSession,
    presence: Presence,
    gone: Arc<AtomicBool>,
    pub(super) profile: Arc<Profile>,
    pub(super) identity: CameraIdentity,
    pub(super) facts: PtpFacts,
    device: CameraDevice,
    /// For people: the port and the device ids.
    at: String,
    max_files: u64,
    pub(super) index: Option<Index>,
    /// The response to a deletion was lost: nothing more is deleted.
    pub(super) answer_lost: bool,
    lists: PropLists,
}

impl PtpCamera {
    /// Opens the session and finds out who the camera is. May block for several times [`LinkTiming::patience`].
    pub fn open(
        transport: Box<dyn BulkTransport>,
        facts: PtpFacts,
        profile: &Arc<Profile>,
        timing: LinkTiming,
    ) -> Result<Self, CameraError> {
        let at = facts.at();
        let presence = transport.presence();
        let session = PtpSession::open(transport, profile.ptp, timing).map_err(|source| {
            CameraError::Device {
                at: at.clone(),
                source,
            }
        })?;
        let identity = CameraIdentity {
            id: identify(&facts, session.info(), profile),
            profile: profile.name.clone(),
            access: profile.access.as_str().into(),
        };
        Ok(Self {
            gone: session.gone_flag(),
            session: Arc::new(Mutex::new(session)),
            presence,
            profile: Arc::clone(profile),
            identity,
            device: facts.device.facts(),
            facts,
            at,
            max_files: 1_000_000,
            lists: PropLists::new(profile.ptp),
            index: None,
            answer_lost: false,
        })
    }

    /// Objects listed at most; see `max_files` in [ingest].
    pub fn with_max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    /// The device's own description.
    pub fn info(&self) -> DeviceInfo {
        self.session.lock().info().clone()
    }

    /// The storages by id, at most 64; `None` for one that the device doesn't describe.
    pub fn storages(&mut self) -> Result<Vec<(u32, Option<StorageInfo>)>, CameraError> {
        let mut session = self.session.lock();
        let found = (|| {
            let ids = session.read(Query {
                operation: op::GET_STORAGE_IDS,
                parameters: &[],
                what: "the list of storages",
                limit: DATASET_MAX,
            })?;
            let mut storages = Vec::new();
            for id in parse_handles(&ids, 64)?.0 {
                let info = session.read(Query {
                    operation: op::GET_STORAGE_INFO,
                    parameters: &[id],
                    what: "StorageInfo",
                    limit: DATASET_MAX,
                });
                match info {
                    Err(error @ (PtpError::Gone | PtpError::Stopped)) => return Err(error),
                    info => {
                        let info = info.ok().and_then(|bytes| StorageInfo::parse(&bytes).ok());
                        storages.push((id, info));
                    }
                }
            }
            Ok(storages)
        })();
        found.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: PtpError) -> CameraError {
        CameraError::Device {
            at: self.at.clone(),
            source,
        }
    }

    /// Lists all objects and remembers their handles.
    pub(super) fn index_objects(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        let walked = {
            let mut session = self.session.lock();
            ObjectWalk::new(&mut session, &mut self.lists, &self.profile, self.max_files).run(sink)
        };
        self.index = Some(walked.map_err(|error| self.failed(error))?);
        Ok(())
    }

    fn find(&mut self, path: &SourcePath) -> Result<(u32, ObjectFacts), CameraError> {
        // Handles change when a camera scans its storage again: list once more before calling a file gone.
        for fresh in [false, true] {
            if fresh || self.index.is_none() {
                self.index_objects(&mut |_| ControlFlow::Continue(()))?;
            }
            let Some(handle) = self.index.as_ref().and_then(|index| index.get(path)) else {
                continue;
            };
            let fetched = ObjectFacts::fetch(&mut self.session.lock(), handle);
            match fetched {
                Ok(object) if object.folder => {}
                Ok(object) => return Ok((handle, object)),
                Err(PtpError::Refused {
                    code: rc::BAD_HANDLE,
                    ..
                }) => {}
                Err(error) => return Err(CameraError::usb(path, error, false)),
            }
        }
        Err(CameraError::NotFound { path: path.clone() })
    }
}

impl Camera for PtpCamera {
    fn identity(&self) -> &CameraIdentity {
        &self.identity
    }

    fn condition(&mut self) -> Condition {
        let zone = self.profile.time_zone.as_ref();
        let mut session = self.session.lock();
        let battery = condition::battery(&mut session).unwrap_or_else(|error| {
            tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera's battery can't be read; its footage is still taken");
            None
        });
        let clock =
            condition::clock(&mut session, zone, self.profile.set_clock).unwrap_or_else(|error| {
                tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera's clock can't be read; its footage is still taken");
                None
            });
        match clock.as_ref().and_then(|clock| clock.set) {
            Some(true) => tracing::info!("a camera's clock was set, as its profile says"),
            Some(false) => {
                tracing::warn!(
                    code = "camera_clock_not_set",
                    next_step =
                        "set the camera's clock by hand, or remove `set_clock` from its profile",
                    "a camera's clock could not be set"
                );
            }
            None => {}
        }
        Condition {
            file_times: clock
                .is_none()
                .then(|| zone.cloned().map_or(FileTimes::Utc, FileTimes::Local)),
            clock,
            battery,
            device: Some(self.device.clone()),
            warnings: Vec::new(),
        }
    }

    fn list(
        &mut self,
        sink: &mut dyn FnMut(CameraEntry) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        self.index_objects(sink)
    }

    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        let (handle, object) = self.find(path)?;
        let session = Arc::clone(&self.session);
        let file = PtpFile::new(session, handle, path.clone(), object)?;
        Ok(Box::new(file))
    }

    /// Deletes in the same session in which the files were compared with their proofs.
    fn wipe(
        &mut self,
        order: &WipeOrder<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<WipeAnswer, CameraError> {
        Eraser::new(self, order, stop).run()
    }

    fn still_there(&self) -> bool {
        !self.gone.load(Ordering::Relaxed) && (self.presence)()
    }
}

/// Tries the sources that the profile names, in that order; the first that gives an id counts.
pub(super) fn identify(facts: &PtpFacts, info: &DeviceInfo, profile: &Profile) -> Option<CameraId> {
    let make = profile.make.clone().unwrap_or_else(|| facts.device.make());
    profile.identity.iter().find_map(|source| match source {
        IdentitySource::Unlock => facts.unlocked.clone(),
        IdentitySource::Descriptor => CameraId::new(&make, facts.device.serial.as_deref()?),
        IdentitySource::DeviceInfo => CameraId::new(&make, &info.serial),
        // These apply to mounted cameras only.
        IdentitySource::Marker | IdentitySource::File | IdentitySource::FolderName => None,
    })
}
