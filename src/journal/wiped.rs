//! The items that were deleted from their cameras, and the files that a camera should therefore still show.

use super::{Journal, JournalError};
use crate::failpoint::step;
use crate::model::{CameraId, EvidenceId};

/// For each path that was taken in the camera's last dock session that took anything, the newest item counts.
const LEFT: &str = "SELECT COUNT(*) FROM (
        SELECT MAX(id), wiped FROM items
        WHERE camera = ?1 AND state NOT IN ('pulling', 'failed') AND session = (
            SELECT session FROM items WHERE camera = ?1 AND state NOT IN ('pulling', 'failed') ORDER BY id DESC LIMIT 1)
        GROUP BY path)
    WHERE wiped = 0";

impl Journal {
    /// Notes that the station deleted these items' files from their camera.
    pub fn mark_wiped(&self, items: &[EvidenceId]) -> Result<(), JournalError> {
        step!("journal mark_wiped");
        let mut connection = self.lock();
        let tx = connection.transaction()?;
        {
            let mut statement = tx.prepare_cached("UPDATE items SET wiped = 1 WHERE id = ?1")?;
            for item in items {
                statement.execute([item])?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// The number of files that were last taken from this camera and not deleted by the station: the camera should show them.
    pub fn left_on_camera(&self, camera: &CameraId) -> Result<u64, JournalError> {
        self.count(LEFT, [camera])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> EvidenceId {
        EvidenceId::from_bytes([number; 16])
    }

    #[test]
    fn only_what_was_last_taken_and_not_deleted_here_should_still_be_on_the_camera() {
        let journal = Journal::in_memory("wiped").unwrap();
        let camera = CameraId::new("acme", "1").unwrap();
        assert_eq!(journal.left_on_camera(&camera).unwrap(), 0);
        let item = |number: u8, session: u8, path: &str, state: &str| {
            let columns = "id, session, camera, path, size, kind, flagged, state";
            let sql =
                format!("INSERT INTO items ({columns}) VALUES (?1, ?2, ?3, ?4, 7, 'video', 0, ?5)");
            let values = (id(number), id(session), &camera, path.as_bytes(), state);
            journal.lock().execute(&sql, values).unwrap();
        };
        // The camera overwrote this one itself, long ago.
        item(1, 101, "A.MP4", "released");
        assert_eq!(journal.left_on_camera(&camera).unwrap(), 1);
        item(2, 102, "B.MP4", "released");
        item(3, 102, "B.MP4", "released");
        item(4, 102, "C.MP4", "sealed");
        item(5, 102, "D.MP4", "failed");
        assert_eq!(journal.left_on_camera(&camera).unwrap(), 2);
        journal.mark_wiped(&[id(3)]).unwrap();
        assert_eq!(journal.left_on_camera(&camera).unwrap(), 1);
        journal.mark_wiped(&[id(4)]).unwrap();
        assert_eq!(journal.left_on_camera(&camera).unwrap(), 0);
        let other = CameraId::new("acme", "2").unwrap();
        assert_eq!(journal.left_on_camera(&other).unwrap(), 0);
    }
}
