use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::PtpError;
use super::condition;
use super::dataset::{DeviceInfo, StorageInfo, parse_handles};
use super::erase::Eraser;
use super::file::{PtpFile, Shared, lock};
use super::link::Pace;
use super::lists::Lists;
use super::object::Object;
use super::session::{Ask, DATASET_MAX, Session};
use super::transport::{BulkTransport, Presence};
use super::tree::{Index, ObjectWalk};
use super::wire::{op, rc};
use crate::camera::{Camera, CameraError, CameraFile, Listed, WipeOrder};
use crate::config::{IdentitySource, Profile};
use crate::model::{
    CameraDevice, CameraId, CameraIdentity, Condition, Explain as _, FileTimes, SourcePath,
    UsbDevice, WipeAnswer,
};

/// What is known of a camera before it is asked.
#[derive(Debug, Clone)]
pub struct PtpFacts {
    /// Its descriptors.
    pub device: UsbDevice,
    /// What the unlock step was told before the camera came back in this form.
    pub unlocked: Option<CameraId>,
}

impl PtpFacts {
    /// For people: where it is and what.
    pub fn at(&self) -> String {
        format!("{} ({})", self.device.port, self.device.ids())
    }
}

/// A camera that is read by PTP or MTP. Its session is closed when it and its open files are dropped.
pub struct PtpCamera {
    pub(super) session: Shared,
    presence: Presence,
    gone: Arc<AtomicBool>,
    pub(super) profile: Arc<Profile>,
    pub(super) identity: CameraIdentity,
    pub(super) facts: PtpFacts,
    device: CameraDevice,
    /// For people: where it is.
    at: String,
    max_files: u64,
    pub(super) index: Option<Index>,
    /// The answer to a deletion was lost: none is asked for any more.
    pub(super) answer_lost: bool,
    lists: Lists,
}

impl PtpCamera {
    /// Opens the session and finds out who the camera is. Blocks for up to the pace's patience, several times over.
    pub fn open(
        transport: Box<dyn BulkTransport>,
        facts: PtpFacts,
        profile: &Arc<Profile>,
        pace: Pace,
    ) -> Result<Self, CameraError> {
        let at = facts.at();
        let presence = transport.presence();
        let session =
            Session::open(transport, profile.ptp, pace).map_err(|source| CameraError::Device {
                at: at.clone(),
                source,
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
            lists: Lists::new(profile.ptp),
            index: None,
            answer_lost: false,
        })
    }

    /// Objects listed at most; see `max_files` in [ingest].
    pub fn with_max_files(mut self, max_files: u64) -> Self {
        self.max_files = max_files;
        self
    }

    /// What the device says of itself.
    pub fn info(&self) -> DeviceInfo {
        lock(&self.session).info().clone()
    }

    /// Its storages by id, at most 64; `None` in place of one that it won't describe.
    pub fn storages(&mut self) -> Result<Vec<(u32, Option<StorageInfo>)>, CameraError> {
        let mut session = lock(&self.session);
        let found = (|| {
            let ids = session.read(Ask {
                operation: op::GET_STORAGE_IDS,
                parameters: &[],
                what: "the list of storages",
                limit: DATASET_MAX,
            })?;
            let mut storages = Vec::new();
            for id in parse_handles(&ids, 64)?.0 {
                let info = session.read(Ask {
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

    /// Lists everything and remembers where it is.
    pub(super) fn look(
        &mut self,
        sink: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), CameraError> {
        let walked = {
            let mut session = lock(&self.session);
            ObjectWalk::new(&mut session, &mut self.lists, &self.profile, self.max_files).run(sink)
        };
        self.index = Some(walked.map_err(|error| self.failed(error))?);
        Ok(())
    }

    fn find(&mut self, path: &SourcePath) -> Result<(u32, Object), CameraError> {
        // Handles change when a camera thinks its storage anew: look once more before saying that a file is gone.
        for fresh in [false, true] {
            if fresh || self.index.is_none() {
                self.look(&mut |_| ControlFlow::Continue(()))?;
            }
            let Some(handle) = self.index.as_ref().and_then(|index| index.get(path)) else {
                continue;
            };
            let fetched = Object::fetch(&mut lock(&self.session), handle);
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
        let mut session = lock(&self.session);
        let battery = condition::battery(&mut session).unwrap_or_else(|error| {
            tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera's battery can't be read; its footage is taken all the same");
            None
        });
        let clock =
            condition::clock(&mut session, zone, self.profile.set_clock).unwrap_or_else(|error| {
                tracing::warn!(code = error.label(), %error, next_step = error.next_step(), "a camera's clock can't be read; its footage is taken all the same");
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

    fn list(&mut self, sink: &mut dyn FnMut(Listed) -> ControlFlow<()>) -> Result<(), CameraError> {
        self.look(sink)
    }

    fn open(&mut self, path: &SourcePath) -> Result<Box<dyn CameraFile>, CameraError> {
        let (handle, object) = self.find(path)?;
        Ok(Box::new(PtpFile::new(
            Arc::clone(&self.session),
            handle,
            path.clone(),
            object,
        )))
    }

    /// By this very session, which is what the files were looked at in.
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

/// Asks what the profile names, in its order; the first that answers counts.
pub(super) fn identify(facts: &PtpFacts, info: &DeviceInfo, profile: &Profile) -> Option<CameraId> {
    let make = profile.make.clone().unwrap_or_else(|| facts.device.make());
    profile.identity.iter().find_map(|source| match source {
        IdentitySource::Unlock => facts.unlocked.clone(),
        IdentitySource::Descriptor => CameraId::new(&make, facts.device.serial.as_deref()?),
        IdentitySource::DeviceInfo => CameraId::new(&make, &info.serial),
        // Of cameras that are mounted.
        IdentitySource::Marker | IdentitySource::File | IdentitySource::FolderName => None,
    })
}
