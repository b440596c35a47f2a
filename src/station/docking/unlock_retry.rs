//! Tries a locked camera again when its password was corrected, and not before: a camera may lock itself after a few
//! wrong passwords.

use crate::camera::unlock::UnlockReport;
use crate::model::Sha256Digest;

/// A locked camera. This is a trait so that tests need no device.
pub trait UnlockTarget {
    type Failure;

    fn attempt(&mut self) -> Result<UnlockReport, Self::Failure>;
    /// The digest of the current password; `None`: there is none, or it can't be read.
    fn password(&mut self) -> Option<Sha256Digest>;
    /// Shows people why it can't be unlocked.
    fn refused(&mut self, failure: Self::Failure);
    /// Says that another password is about to be tried.
    fn again(&mut self);
    /// Waits before the password is read again; `false` when the camera left or the service stops.
    fn wait(&mut self) -> bool;
}

/// Tries once with each password that is put in place while the camera stays; `None`: it left, or the service stops.
pub fn until_unlocked<L: UnlockTarget>(locked: &mut L) -> Option<UnlockReport> {
    // Read before the attempt, so that a change during the attempt is noticed.
    let mut known = locked.password();
    loop {
        match locked.attempt() {
            Ok(unlocked) => return Some(unlocked),
            Err(failure) => locked.refused(failure),
        }
        let mut last = known;
        loop {
            if !locked.wait() {
                return None;
            }
            let now = locked.password();
            // The same twice in a row: a half-written file is not taken for a password.
            if now.is_some() && now != known && now == last {
                known = now;
                break;
            }
            last = now;
        }
        locked.again();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A camera in front of a secret that changes from look to look.
    struct Scripted {
        looks: VecDeque<Option<&'static str>>,
        right: &'static str,
        now: Option<&'static str>,
        tried: Vec<Option<&'static str>>,
        said: Vec<&'static str>,
    }

    impl Scripted {
        fn new(looks: &[Option<&'static str>]) -> Self {
            let mut looks: VecDeque<_> = looks.iter().copied().collect();
            Self {
                now: looks.pop_front().flatten(),
                looks,
                right: "right",
                tried: Vec::new(),
                said: Vec::new(),
            }
        }
    }

    impl UnlockTarget for Scripted {
        type Failure = &'static str;

        fn attempt(&mut self) -> Result<UnlockReport, &'static str> {
            self.tried.push(self.now);
            match self.now {
                Some(password) if password == self.right => Ok(UnlockReport::default()),
                Some(_) => Err("wrong"),
                None => Err("none"),
            }
        }

        fn password(&mut self) -> Option<Sha256Digest> {
            self.now.map(|text| Sha256Digest::of(text.as_bytes()))
        }

        fn refused(&mut self, failure: &'static str) {
            self.said.push(failure);
        }

        fn again(&mut self) {
            self.said.push("again");
        }

        fn wait(&mut self) -> bool {
            match self.looks.pop_front() {
                Some(now) => {
                    self.now = now;
                    true
                }
                None => false,
            }
        }
    }

    #[test]
    fn the_same_password_is_tried_once_however_long_the_camera_stays() {
        let mut camera = Scripted::new(&[Some("wrong"); 500]);
        assert_eq!(until_unlocked(&mut camera), None);
        assert_eq!(camera.tried, [Some("wrong")]);
        assert_eq!(camera.said, ["wrong"]);
    }

    #[test]
    fn a_corrected_password_is_tried_while_the_camera_stays_docked() {
        let (wrong, right) = (Some("wrong"), Some("right"));
        let mut camera = Scripted::new(&[wrong, wrong, right, right, right]);
        assert!(until_unlocked(&mut camera).is_some());
        assert_eq!(camera.tried, [wrong, right]);
        assert_eq!(camera.said, ["wrong", "again"]);
    }

    #[test]
    fn a_password_that_comes_later_is_tried_and_one_half_written_is_not() {
        let looks = [None, None, Some("ri"), Some("right"), Some("right")];
        let mut camera = Scripted::new(&looks);
        assert!(until_unlocked(&mut camera).is_some());
        assert_eq!(camera.tried, [None, Some("right")]);
    }

    #[test]
    fn a_password_that_goes_and_comes_back_is_the_same_one() {
        let looks = [
            Some("wrong"),
            None,
            None,
            Some("wrong"),
            Some("wrong"),
            Some("wrong"),
        ];
        let mut camera = Scripted::new(&looks);
        assert_eq!(until_unlocked(&mut camera), None);
        assert_eq!(camera.tried, [Some("wrong")]);
    }
}
