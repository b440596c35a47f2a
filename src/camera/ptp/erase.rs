//! Deletes proven files from a camera that speaks MTP. No helper of root's stands in between, so this room checks everything
//! itself, again for each file and in the session that deletes it: the proof, the camera's serial, every folder of the path,
//! the name, size and time, and every byte where rehashing is asked for. Never deletes a folder. Sends each deletion once.

use std::collections::HashSet;
use std::sync::Arc;

use super::PtpError;
use super::camera::{PtpCamera, PtpFacts, identify};
use super::error::reason;
use super::file::PtpFile;
use super::object::ObjectFacts;
use super::object_path::{ObjectPath, not_found, of_usb};
use super::session::{DeleteAnswer, PtpSession};
use super::wire::{op, rc};
use crate::camera::erase::{left, same_bytes, same_facts};
use crate::camera::{CameraEntry, CameraError, CameraFile as _, OpenFacts, WipeOrder};
use crate::model::{Left, Proven, SourcePath, WipeAnswer, WipeProof, WipeResult};

/// One order to delete, in progress on a camera.
pub(super) struct Eraser<'a> {
    camera: &'a mut PtpCamera,
    order: &'a WipeOrder<'a>,
    stop: &'a dyn Fn() -> bool,
}

/// The camera's view of a file after its deletion was requested.
#[derive(Debug)]
enum AfterDelete {
    Gone,
    There,
    Unsure(String),
}

impl<'a> Eraser<'a> {
    pub fn new(
        camera: &'a mut PtpCamera,
        order: &'a WipeOrder<'a>,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        Self {
            camera,
            order,
            stop,
        }
    }

    /// One result for each file, in order.
    pub fn run(mut self) -> Result<WipeAnswer, CameraError> {
        if !self.camera.session.lock().supports(op::DELETE_OBJECT) {
            return Err(CameraError::CannotWipe);
        }
        let mut named = HashSet::new();
        let mut files = Vec::with_capacity(self.order.files.len());
        for (proven, proof) in self.order.files {
            let done = if self.camera.answer_lost {
                Err(Left::new(
                    "stopped",
                    "the answer to an earlier deletion was lost, so nothing more is deleted until the camera is docked again",
                ))
            } else if !named.insert(&proven.path) {
                Err(Left::new("named_twice", "the order names it twice"))
            } else {
                self.file(proven, proof)
            };
            files.push(match done {
                Ok(reason) => WipeResult {
                    reason,
                    ..WipeResult::wiped(proven)
                },
                Err(left) => WipeResult::left(proven, &left),
            });
        }
        Ok(WipeAnswer {
            refused: None,
            warnings: Vec::new(),
            files,
        })
    }

    /// `Ok`: the file was deleted, perhaps with a remark. `Err`: it was left, with the reason.
    fn file(&mut self, proven: &Proven, proof: &WipeProof) -> Result<Option<String>, Left> {
        self.go_on()?;
        if !self.camera.session.lock().supports(op::DELETE_OBJECT) {
            return Err(Left::new(
                "delete_unsupported",
                "the camera can't delete files",
            ));
        }
        // The caller has checked the proof as well, but only what is proven here decides.
        if (self.order.prove)(proof)? != *proven {
            return Err(Left::new(
                "proof_wrong",
                "its proof is that of another file",
            ));
        }
        let known = self.camera.identity.id.as_ref();
        if known != Some(&proven.camera) {
            let known = known.map_or("nobody knows which", |id| id.as_str());
            return Err(differs(proven, known));
        }
        let (epoch, object_path, found) = self.find(&proven.path)?;
        let size = found.size.ok_or_else(|| of_usb(&PtpError::SizeUnknown))?;
        let facts = OpenFacts {
            size,
            modified: found.modified,
        };
        same_facts(proven, facts, self.order.rehash)?;
        let handle = object_path.handle();
        if self.order.rehash {
            let session = Arc::clone(&self.camera.session);
            let mut file = PtpFile::new(session, handle, proven.path.clone(), found.clone())
                .map_err(|error| left(&error))?;
            same_bytes(proven, &mut file, &proven.path, self.stop)?;
            if let Some(change) = file.recheck().map_err(|error| left(&error))? {
                return Err(Left::new("file_changed", change.to_string()));
            }
        }
        self.go_on()?;
        let asked = {
            // The lock keeps others off the session between the last check and the deletion.
            let session = Arc::clone(&self.camera.session);
            let mut session = session.lock();
            self.same_camera(&mut session, proven)?;
            if object_path.follow(&mut session)? != found {
                return Err(Left::new(
                    "file_changed",
                    "it was changed while it was compared",
                ));
            }
            session.delete(handle, epoch).map_err(|e| of_usb(&e))?
        };
        if asked == DeleteAnswer::NewSession {
            return Err(Left::new(
                "session_lost",
                "the session in which it was compared ended before it could be deleted",
            ));
        }
        self.camera.answer_lost = matches!(asked, DeleteAnswer::Lost(_));
        let fate = self.fate(handle, &found, &proven.path);
        if let (AfterDelete::Gone, Some(index)) = (&fate, &mut self.camera.index) {
            index.forget(&proven.path);
        }
        verdict(asked, fate)
    }

    fn go_on(&self) -> Result<(), Left> {
        if (self.stop)() {
            Err(Left::new("stopped", "the work was stopped before"))
        } else {
            Ok(())
        }
    }

    /// The file at a path as the camera shows it now, and the epoch of the session that showed it. Lists the whole camera
    /// once more where the remembered handles no longer hold.
    fn find(&mut self, path: &SourcePath) -> Result<(u64, ObjectPath, ObjectFacts), Left> {
        let mut last = None;
        for fresh in [false, true] {
            self.go_on()?;
            if fresh || self.camera.index.is_none() {
                let listed = self
                    .camera
                    .index_objects(&mut |_| std::ops::ControlFlow::Continue(()));
                listed.map_err(|error| left(&error))?;
            }
            let Some(index) = &self.camera.index else {
                continue;
            };
            let object_path = match ObjectPath::to(path, index) {
                Ok(object_path) => object_path,
                Err(left) => {
                    last = Some(left);
                    continue;
                }
            };
            let mut session = self.camera.session.lock();
            let epoch = session.epoch();
            match object_path.follow(&mut session) {
                Ok(object) => return Ok((epoch, object_path, object)),
                Err(left) => last = Some(left),
            }
        }
        Err(last.unwrap_or_else(not_found))
    }

    /// Checks that the device still gives the serial of the camera that the file was taken from.
    fn same_camera(&self, session: &mut PtpSession, proven: &Proven) -> Result<(), Left> {
        let before = session.info().serial.clone();
        let info = session.device_info().map_err(|error| of_usb(&error))?;
        // The identity from the unlock step belongs to the camera's locked form, not to this one.
        let facts = PtpFacts {
            unlocked: None,
            ..self.camera.facts.clone()
        };
        match identify(&facts, &info, &self.camera.profile) {
            Some(now) if now.serial() == proven.camera.serial() && info.serial == before => Ok(()),
            Some(now) => Err(differs(proven, now.as_str())),
            None => Err(differs(proven, "without a usable serial")),
        }
    }

    fn fate(&mut self, handle: u32, was: &ObjectFacts, path: &SourcePath) -> AfterDelete {
        if !self.camera.answer_lost {
            match ObjectFacts::fetch(&mut self.camera.session.lock(), handle) {
                Err(PtpError::Refused {
                    code: rc::BAD_HANDLE,
                    ..
                }) => return AfterDelete::Gone,
                Ok(now) if now == *was => return AfterDelete::There,
                // The handle stands for another object now, or the device has another response for an unknown handle.
                _ => {}
            }
        }
        let mut whole = true;
        let relisted = self.camera.index_objects(&mut |listed| {
            whole &= matches!(listed, CameraEntry::File(_));
            std::ops::ControlFlow::Continue(())
        });
        if let Err(error) = relisted {
            return AfterDelete::Unsure(left(&error).reason);
        }
        let there = self.camera.index.as_ref().and_then(|index| index.get(path));
        match there {
            Some(_) => AfterDelete::There,
            None if whole => AfterDelete::Gone,
            None => AfterDelete::Unsure("the camera does not show everything that it holds".into()),
        }
    }
}

/// Only a file that is seen to be gone counts as deleted, whatever the camera answered.
fn verdict(asked: DeleteAnswer, fate: AfterDelete) -> Result<Option<String>, Left> {
    let said = match asked {
        DeleteAnswer::Answered(rc::OK) => "the camera says that it deleted it".to_owned(),
        DeleteAnswer::Answered(code) => {
            format!("the camera answers with {} ({code:04X})", reason(code))
        }
        DeleteAnswer::Lost(error) => format!("the camera did not answer the deletion: {error}"),
        DeleteAnswer::NewSession => "its deletion was not requested".to_owned(),
    };
    match (asked, fate) {
        (DeleteAnswer::Answered(rc::OK), AfterDelete::Gone) => Ok(None),
        (_, AfterDelete::Gone) => Ok(Some(format!("{said}; it is gone"))),
        (_, AfterDelete::Unsure(why)) => Err(Left::new(
            "delete_unknown",
            format!("{said}; whether it is still there cannot be seen: {why}"),
        )),
        (asked, AfterDelete::There) => {
            let code = match asked {
                DeleteAnswer::Answered(rc::WRITE_PROTECTED) => "write_protected",
                DeleteAnswer::Answered(rc::STORE_READ_ONLY) => "medium_read_only",
                DeleteAnswer::Answered(rc::ACCESS_DENIED) => "delete_denied",
                DeleteAnswer::Answered(rc::PARTIAL_DELETION) => "delete_partial",
                DeleteAnswer::Answered(rc::NOT_SUPPORTED) => "delete_unsupported",
                DeleteAnswer::Answered(rc::BUSY) => "camera_busy",
                _ => "delete_failed",
            };
            Err(Left::new(code, format!("{said}; it is still there")))
        }
    }
}

fn differs(proven: &Proven, now: &str) -> Left {
    Left::new(
        "camera_differs",
        format!("it was taken from {}, and this is {now}", proven.camera),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_seen_to_be_gone_counts_as_deleted() {
        let code = |asked, fate| verdict(asked, fate).map_err(|left| left.code);
        let lost = DeleteAnswer::Lost(PtpError::Silent { seconds: 1 });
        assert_eq!(
            code(DeleteAnswer::Answered(rc::OK), AfterDelete::Gone),
            Ok(None)
        );
        for asked in [lost, DeleteAnswer::Answered(rc::GENERAL)] {
            let remark = code(asked, AfterDelete::Gone).unwrap().unwrap();
            assert!(remark.ends_with("it is gone"), "{remark}");
        }
        for asked in [
            lost,
            DeleteAnswer::Answered(rc::OK),
            DeleteAnswer::Answered(rc::ACCESS_DENIED),
        ] {
            let unsure = code(asked, AfterDelete::Unsure("x".into()));
            assert_eq!(unsure, Err("delete_unknown"));
            assert!(code(asked, AfterDelete::There).is_err());
        }
        for (answer, expected) in [
            (rc::OK, "delete_failed"),
            (rc::WRITE_PROTECTED, "write_protected"),
            (rc::STORE_READ_ONLY, "medium_read_only"),
            (rc::ACCESS_DENIED, "delete_denied"),
            (rc::PARTIAL_DELETION, "delete_partial"),
            (rc::NOT_SUPPORTED, "delete_unsupported"),
            (rc::BUSY, "camera_busy"),
            (rc::GENERAL, "delete_failed"),
        ] {
            assert_eq!(
                code(DeleteAnswer::Answered(answer), AfterDelete::There),
                Err(expected)
            );
        }
    }
}
