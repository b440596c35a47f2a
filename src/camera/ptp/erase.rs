//! Deletes proven files from a camera that speaks MTP. No process of root's stands between, so everything is looked at here,
//! for each file anew, in the one session in which it is deleted: its proof, the camera's serial, every folder on its way,
//! its name, size and time, and where that is asked for every byte. Never deletes a folder, and asks once for each file.

use std::collections::HashSet;
use std::sync::Arc;

use super::PtpError;
use super::camera::{PtpCamera, PtpFacts, identify};
use super::error::reason;
use super::file::{PtpFile, lock};
use super::object::Object;
use super::session::{Asked, Session};
use super::way::{Way, not_found, of_usb};
use super::wire::{op, rc};
use crate::camera::erase::{left, same_bytes, same_facts};
use crate::camera::{CameraError, CameraFile as _, Listed, OpenFacts, WipeOrder};
use crate::model::{Left, Proven, SourcePath, WipeAnswer, WipeProof, WipeResult};

/// One order at work on a camera.
pub(super) struct Eraser<'a> {
    camera: &'a mut PtpCamera,
    order: &'a WipeOrder<'a>,
    stop: &'a dyn Fn() -> bool,
}

/// What a look shows after a deletion was asked for.
#[derive(Debug)]
enum Fate {
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
        if !lock(&self.camera.session).supports(op::DELETE_OBJECT) {
            return Err(CameraError::CannotWipe);
        }
        let mut named = HashSet::new();
        let mut files = Vec::with_capacity(self.order.files.len());
        for (proven, proof) in self.order.files {
            let done = if self.camera.answer_lost {
                Err(Left::new(
                    "stopped",
                    "an answer was lost before, so nothing more is asked for until it is docked again",
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

    /// It is deleted, with what is to be said of that; or left, with the reason.
    fn file(&mut self, proven: &Proven, proof: &WipeProof) -> Result<Option<String>, Left> {
        self.go_on()?;
        if !lock(&self.camera.session).supports(op::DELETE_OBJECT) {
            return Err(Left::new(
                "delete_unsupported",
                "the camera knows no deletion",
            ));
        }
        // Whoever asks has checked it, too; what is deleted hangs on what is proven here and now.
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
        let (epoch, way, found) = self.find(&proven.path)?;
        let facts = OpenFacts {
            size: found.size,
            modified: found.modified,
        };
        same_facts(proven, facts, self.order.rehash)?;
        let handle = way.handle();
        if self.order.rehash {
            let session = Arc::clone(&self.camera.session);
            let mut file = PtpFile::new(session, handle, proven.path.clone(), found.clone());
            same_bytes(proven, &mut file, &proven.path, self.stop)?;
            if let Some(change) = file.recheck().map_err(|error| left(&error))? {
                return Err(Left::new("file_changed", change.to_string()));
            }
        }
        self.go_on()?;
        let asked = {
            // Nobody else uses the session between the last look and the deletion.
            let session = Arc::clone(&self.camera.session);
            let mut session = lock(&session);
            self.same_camera(&mut session, proven)?;
            if way.follow(&mut session)? != found {
                return Err(Left::new(
                    "file_changed",
                    "it was changed while it was looked at",
                ));
            }
            session.delete(handle, epoch).map_err(|e| of_usb(&e))?
        };
        if asked == Asked::NewSession {
            return Err(Left::new(
                "session_lost",
                "the session in which it was looked at ended before it could be deleted",
            ));
        }
        self.camera.answer_lost = matches!(asked, Asked::Lost(_));
        let fate = self.fate(handle, &found, &proven.path);
        if let (Fate::Gone, Some(index)) = (&fate, &mut self.camera.index) {
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

    /// The file at a path as the camera shows it now, and the session in which it does. Looks at the whole camera once more
    /// where what is remembered does not hold.
    fn find(&mut self, path: &SourcePath) -> Result<(u64, Way, Object), Left> {
        let mut last = None;
        for fresh in [false, true] {
            self.go_on()?;
            if fresh || self.camera.index.is_none() {
                let listed = self
                    .camera
                    .look(&mut |_| std::ops::ControlFlow::Continue(()));
                listed.map_err(|error| left(&error))?;
            }
            let Some(index) = &self.camera.index else {
                continue;
            };
            let way = match Way::to(path, index) {
                Ok(way) => way,
                Err(left) => {
                    last = Some(left);
                    continue;
                }
            };
            let mut session = lock(&self.camera.session);
            let epoch = session.epoch();
            match way.follow(&mut session) {
                Ok(object) => return Ok((epoch, way, object)),
                Err(left) => last = Some(left),
            }
        }
        Err(last.unwrap_or_else(not_found))
    }

    /// The device at the other end says that it is the one that the file was taken from, as it did when it was docked.
    fn same_camera(&self, session: &mut Session, proven: &Proven) -> Result<(), Left> {
        let before = session.info().serial.clone();
        let info = session.device_info().map_err(|error| of_usb(&error))?;
        // What an unlock step was told belongs to the form that the camera had before this one.
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

    fn fate(&mut self, handle: u32, was: &Object, path: &SourcePath) -> Fate {
        if !self.camera.answer_lost {
            match Object::fetch(&mut lock(&self.camera.session), handle) {
                Err(PtpError::Refused {
                    code: rc::BAD_HANDLE,
                    ..
                }) => return Fate::Gone,
                Ok(now) if now == *was => return Fate::There,
                // The handle has another meaning now, or the device another way to say that it has none.
                _ => {}
            }
        }
        let mut whole = true;
        let looked = self.camera.look(&mut |listed| {
            whole &= matches!(listed, Listed::File(_));
            std::ops::ControlFlow::Continue(())
        });
        if let Err(error) = looked {
            return Fate::Unsure(left(&error).reason);
        }
        let there = self.camera.index.as_ref().and_then(|index| index.get(path));
        match there {
            Some(_) => Fate::There,
            None if whole => Fate::Gone,
            None => Fate::Unsure("the camera does not show everything that it holds".into()),
        }
    }
}

/// Only what is seen to be gone counts as deleted, whatever the camera answered.
fn verdict(asked: Asked, fate: Fate) -> Result<Option<String>, Left> {
    let said = match asked {
        Asked::Answered(rc::OK) => "the camera says that it deleted it".to_owned(),
        Asked::Answered(code) => {
            format!("the camera answers with {} ({code:04X})", reason(code))
        }
        Asked::Lost(error) => format!("no answer came to its deletion: {error}"),
        Asked::NewSession => "its deletion was not asked for".to_owned(),
    };
    match (asked, fate) {
        (Asked::Answered(rc::OK), Fate::Gone) => Ok(None),
        (_, Fate::Gone) => Ok(Some(format!("{said}; it is gone"))),
        (_, Fate::Unsure(why)) => Err(Left::new(
            "delete_unknown",
            format!("{said}; whether it is still there cannot be seen: {why}"),
        )),
        (asked, Fate::There) => {
            let code = match asked {
                Asked::Answered(rc::WRITE_PROTECTED) => "write_protected",
                Asked::Answered(rc::STORE_READ_ONLY) => "medium_read_only",
                Asked::Answered(rc::ACCESS_DENIED) => "delete_denied",
                Asked::Answered(rc::PARTIAL_DELETION) => "delete_partial",
                Asked::Answered(rc::NOT_SUPPORTED) => "delete_unsupported",
                Asked::Answered(rc::BUSY) => "camera_busy",
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
        let lost = Asked::Lost(PtpError::Silent { seconds: 1 });
        assert_eq!(code(Asked::Answered(rc::OK), Fate::Gone), Ok(None));
        for asked in [lost, Asked::Answered(rc::GENERAL)] {
            let told = code(asked, Fate::Gone).unwrap().unwrap();
            assert!(told.ends_with("it is gone"), "{told}");
        }
        for asked in [
            lost,
            Asked::Answered(rc::OK),
            Asked::Answered(rc::ACCESS_DENIED),
        ] {
            let unsure = code(asked, Fate::Unsure("x".into()));
            assert_eq!(unsure, Err("delete_unknown"));
            assert!(code(asked, Fate::There).is_err());
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
            assert_eq!(code(Asked::Answered(answer), Fate::There), Err(expected));
        }
    }
}
