//! The steps of a scenario, one by one, and its ending.

use tokio::sync::watch;

use super::cameras::{self, CardFile};
use super::scenario::{BAYS, ModelStep};
use super::station::{FRAME, ModelStation, Verdict, keys};
use crate::ingest::job::StepEnd;
use crate::ingest::pull::PullTools;
use crate::ingest::queue::{self, WorkId};
use crate::model::{BayStatus, ItemState};

/// Turns after which everything docked has settled, with nothing in its way.
const ENOUGH: usize = 40;

impl ModelStation<'_> {
    fn turn(&mut self, bay: usize) {
        let Some(service) = &mut self.service else {
            return;
        };
        let Some(docked) = &mut service.sessions[bay] else {
            return;
        };
        let tools = self.stock.0[docked.device].get_or_insert_with(|| PullTools::new(FRAME));
        let end = docked.run.step(docked.camera.as_mut(), tools);
        docked.settled = end == StepEnd::Settled;
        if end == StepEnd::Over
            && let Some(docked) = service.sessions[bay].take()
        {
            let _ = docked.run.end();
        }
    }

    fn idle(&mut self, bay: usize) -> bool {
        let docked = self.service.as_mut().and_then(|s| s.sessions[bay].as_mut());
        if let Some(docked) = docked.filter(|docked| docked.settled) {
            docked.settled = !docked.run.look_again();
            return true;
        }
        false
    }

    fn upload(&mut self, items: usize) -> Verdict {
        let Some(service) = &mut self.service else {
            return Ok(());
        };
        let failed = |e: crate::ingest::IngestError| e.to_string();
        let mut rows = service.outbound.to_settle(64).map_err(failed)?;
        let waiting = service.shared.journal.to_upload(64);
        rows.extend(waiting.map_err(|e| e.to_string())?);
        for row in rows.into_iter().take(items) {
            let work = WorkId::original(row.id);
            let (_cancel, cancelled) = watch::channel(false);
            let done = keys()
                .runtime
                .block_on(service.outbound.take_on(row, cancelled));
            queue::settle(&service.outbound, work, done, &mut service.failures);
        }
        // Settled sessions look every second whether something was lost.
        for bay in 0..BAYS {
            self.idle(bay);
        }
        Ok(())
    }

    fn file(&self, camera: usize, file: usize, change: impl FnOnce(&mut CardFile)) -> bool {
        let harness = self.harness.borrow();
        let mut devices = harness.cameras.lock();
        let found = devices[camera].files.get_mut(&file);
        let there = found.is_some();
        if let Some(on_card) = found {
            change(on_card);
        }
        there
    }

    pub fn step(&mut self, step: ModelStep) -> Verdict {
        if self.happens(step)? {
            self.steps.set(self.steps.get() + 1);
        }
        Ok(())
    }

    /// `false`: it cannot happen now.
    fn happens(&mut self, step: ModelStep) -> Result<bool, String> {
        let has = |station: &Self, bay: usize| {
            let service = station.service.as_ref();
            service.is_some_and(|service| service.sessions[bay].is_some())
        };
        match step {
            ModelStep::Dock { camera, bay } => {
                let docked = self.harness.borrow().docked;
                let free = docked[bay].is_none() && !docked.contains(&Some(camera));
                if free {
                    self.dock(camera, bay)?;
                }
                Ok(free)
            }
            ModelStep::Undock { bay } if has(self, bay) => self.undock(bay).map(|()| true),
            ModelStep::TornOut { bay } => {
                let mut harness = self.harness.borrow_mut();
                let torn = harness.docked[bay].take();
                if let Some(device) = torn {
                    harness.cameras.lock()[device].present = false;
                }
                Ok(torn.is_some())
            }
            ModelStep::Turn { bay } if has(self, bay) => self
                .during(|station| {
                    station.turn(bay);
                    Ok(())
                })
                .map(|()| true),
            ModelStep::Idle { bay } if has(self, bay) => {
                let mut looked = false;
                self.during(|station| {
                    looked = station.idle(bay);
                    Ok(())
                })?;
                Ok(looked)
            }
            ModelStep::Upload { items } => self.during(|s| s.upload(items)).map(|()| true),
            ModelStep::Restart => self.restart().map(|()| true),
            ModelStep::PowerCut => self.power_cut().map(|()| true),
            ModelStep::Undock { .. } | ModelStep::Turn { .. } | ModelStep::Idle { .. } => Ok(false),
            ModelStep::Record {
                camera,
                file,
                size,
                time,
                growing,
            } => {
                let harness = self.harness.borrow();
                let on_card = CardFile {
                    size,
                    time,
                    growing,
                    ..CardFile::default()
                };
                let device = &mut harness.cameras.lock()[camera];
                device.unquiet |= on_card.growing || on_card.version().1.is_none();
                device.files.insert(file, on_card);
                Ok(true)
            }
            ModelStep::Finish { camera, file } => {
                Ok(self.file(camera, file, |l| l.growing = false))
            }
            ModelStep::Remove { camera, file } => {
                let harness = self.harness.borrow();
                let gone = harness.cameras.lock()[camera].files.remove(&file);
                Ok(gone.is_some())
            }
            ModelStep::Odd { camera } => {
                self.harness.borrow().cameras.lock()[camera].odd = true;
                Ok(true)
            }
            ModelStep::ReadFails {
                camera,
                file,
                times,
                at,
            } => Ok(self.file(camera, file, |l| (l.fails, l.fails_at) = (times, at))),
            ModelStep::Touched { camera, file } => {
                Ok(self.file(camera, file, |l| l.touched = true))
            }
            ModelStep::ListFails { camera, times } => {
                self.harness.borrow().cameras.lock()[camera].list_fails = times;
                Ok(true)
            }
            ModelStep::StoreFails { calls, answer_lost } => {
                let harness = self.harness.borrow();
                let mut store = harness.store.lock();
                (store.fails, store.answer_lost) = (calls, answer_lost);
                Ok(true)
            }
            ModelStep::Damage { nth } => {
                let Some(service) = &self.service else {
                    return Ok(false);
                };
                let mut harness = self.harness.borrow_mut();
                Ok(harness
                    .reference
                    .damage(nth, &service.shared.spool)
                    .is_some())
            }
            ModelStep::Soon { points, what } => {
                self.harness.borrow_mut().armed = Some((points, what));
                Ok(true)
            }
        }
    }

    /// With nothing in the way any more, everything docked comes to its end.
    pub fn ending(&mut self) -> Verdict {
        {
            let harness = &mut *self.harness.borrow_mut();
            harness.calm();
            harness.store.lock().fails = 0;
            for device in harness.cameras.lock().iter_mut() {
                device.list_fails = 0;
                for on_card in device.files.values_mut() {
                    (on_card.fails, on_card.touched, on_card.growing) = (0, false, false);
                }
            }
        }
        for turn in 0..ENOUGH {
            let mut busy = false;
            for bay in 0..BAYS {
                self.happens(ModelStep::Turn { bay })?;
                let service = self.service.as_ref().ok_or("no service")?;
                busy |= service.sessions[bay].as_ref().is_some_and(|d| !d.settled);
            }
            self.happens(ModelStep::Upload { items: 64 })?;
            busy |= self
                .harness
                .borrow()
                .reference
                .items
                .values()
                .any(|i| !i.stored && !i.lost);
            if !busy && turn > 2 {
                break;
            }
        }
        for bay in 0..BAYS {
            self.happens(ModelStep::Idle { bay })?;
            self.ended_well(bay)?;
        }
        self.no_leftovers()?;
        self.restart()?;
        self.verdict()
    }

    /// Partial files belong to pulls that can be resumed, and only cameras that are elsewhere have such pulls.
    fn no_leftovers(&self) -> Verdict {
        let harness = self.harness.borrow();
        let shared = &self.service.as_ref().ok_or("no service")?.shared;
        let failed = |e: crate::journal::JournalError| e.to_string();
        let rows = shared
            .journal
            .items_in(&[ItemState::Pulling], None, 10_000)
            .map_err(failed)?;
        let files = shared.spool.list().map_err(|e| e.to_string())?;
        for (id, _) in files.iter().filter(|(_, partial)| *partial) {
            if !harness.unremoved && !rows.iter().any(|row| row.id == *id) {
                return Err(format!("the partial file {id} belongs to nothing"));
            }
        }
        for row in rows {
            // As long as the file is there as it was, the next docking resumes it.
            let docked = harness.docked.iter().flatten().any(|device| {
                let on_it = &harness.cameras.lock()[*device];
                let there = on_it.files.iter().any(|(file, on_card)| {
                    cameras::path(*file) == row.facts.path
                        && on_card.version() == (row.facts.size, row.facts.modified)
                });
                let unquiet = self.scenario.waits && on_it.unquiet;
                row.camera.is_some() && cameras::id(*device) == row.camera && !there && !unquiet
            });
            if docked {
                let path = row.facts.path;
                return Err(format!("a pull of {path} stays for ever"));
            }
        }
        Ok(())
    }

    fn ended_well(&self, bay: usize) -> Verdict {
        let harness = self.harness.borrow();
        let service = self.service.as_ref().ok_or("no service")?;
        let (Some(device), Some(docked)) = (harness.docked[bay], &service.sessions[bay]) else {
            return Ok(());
        };
        let status = docked.run.display.state().status();
        let devices = harness.cameras.lock();
        let fine = match &status {
            BayStatus::AllStored { .. } => true,
            BayStatus::NeedsAttention { code, .. } => match code.as_str() {
                "files_failed" => !devices[device].troubled.is_empty(),
                "not_taken" => devices[device].odd,
                "camera_empty" => devices[device].files.is_empty(),
                "quarantine" => cameras::id(device).is_none(),
                _ => false,
            },
            // Nothing says that such a file has stopped growing.
            BayStatus::Reading { .. } => self.scenario.waits && devices[device].unquiet,
            _ => false,
        };
        if fine {
            return Ok(());
        }
        Err(format!("bay {bay} never comes to its end: {status:?}"))
    }
}
