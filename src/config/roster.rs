use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::file::{self, ROSTER_BYTES_MAX};
use super::{Config, ConfigError};
use crate::model::{CameraId, Officer, Sha256Digest};

/// The officer of each camera, from `roster.toml`.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    cameras: HashMap<CameraId, RosterEntry>,
    /// The digest of the file's bytes; `None` when there is no file.
    pub sha256: Option<Sha256Digest>,
    pub path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// The badge id.
    pub officer: Officer,
    /// Shown at the bay only.
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoster {
    #[serde(default)]
    cameras: BTreeMap<Spanned<String>, Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    officer: String,
    name: Option<String>,
}

impl Roster {
    /// Reads the roster that belongs to a configuration; a file that does not exist is an empty roster.
    pub fn reload(config: &Config) -> Result<Self, ConfigError> {
        Self::load(&config.roster_file)
    }

    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = match file::read_text(path, ROSTER_BYTES_MAX) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Ok(Self {
                    path: path.to_owned(),
                    ..Self::default()
                });
            }
            text => text?,
        };
        let raw: RawRoster = file::parse(path, &text)?;
        let mut cameras = HashMap::with_capacity(raw.cameras.len());
        for (id, entry) in raw.cameras {
            let invalid =
                |offset: usize, key: &str, message: &str, fix: &str| ConfigError::Invalid {
                    file: path.to_owned(),
                    line: Some(file::position(&text, offset).0),
                    key: key.chars().take(80).flat_map(char::escape_debug).collect(),
                    message: message.into(),
                    fix: fix.into(),
                };
            let Some(camera) = id
                .get_ref()
                .split_once('/')
                .and_then(|(make, serial)| CameraId::new(make, serial))
                .filter(|camera| camera.as_str() == id.get_ref())
            else {
                return Err(invalid(
                    id.span().start,
                    id.get_ref(),
                    "is not a camera id",
                    "Write `\"make/serial\"` in printable ASCII without spaces, as `camdock status` shows it.",
                ));
            };
            let offset = entry.span().start;
            let RawEntry { officer, name } = entry.into_inner();
            if !shown_plainly(&officer) || !name.as_deref().is_none_or(shown_plainly) {
                return Err(invalid(
                    offset,
                    camera.as_str(),
                    "has an unusable badge id or name",
                    "Use 1 to 64 printable characters.",
                ));
            }
            cameras.insert(
                camera,
                RosterEntry {
                    officer: Officer(officer),
                    name,
                },
            );
        }
        Ok(Self {
            cameras,
            sha256: Some(Sha256Digest::of(text.as_bytes())),
            path: path.to_owned(),
        })
    }

    pub fn get(&self, camera: &CameraId) -> Option<&RosterEntry> {
        self.cameras.get(camera)
    }

    /// All entries, in no particular order.
    pub fn cameras(&self) -> impl Iterator<Item = (&CameraId, &RosterEntry)> {
        self.cameras.iter()
    }

    pub fn len(&self) -> usize {
        self.cameras.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cameras.is_empty()
    }
}

fn shown_plainly(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Explain as _;

    fn roster(text: &str) -> Result<Roster, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roster.toml");
        std::fs::write(&path, text).unwrap();
        Roster::load(&path)
    }

    #[test]
    fn a_roster_names_the_officer_of_a_camera() {
        let roster = roster(
            "[cameras]\n\"acme/X1\" = { officer = \"4711\", name = \"Jo Hill\" }\n\"acme/a/b\" = { officer = \"4712\" }\n",
        )
        .unwrap();
        let get = |serial| roster.get(&CameraId::new("acme", serial).unwrap());
        assert_eq!(get("X1").unwrap().officer.0, "4711");
        assert_eq!(get("X1").unwrap().name.as_deref(), Some("Jo Hill"));
        assert_eq!(get("a/b").unwrap().officer.0, "4712");
        assert!(get("X2").is_none());
        assert_eq!(roster.len(), 2);
    }

    #[test]
    fn a_missing_roster_is_empty() {
        let roster = Roster::load(Path::new("/nonexistent/roster.toml")).unwrap();
        assert!(roster.is_empty() && roster.sha256.is_none());
    }

    #[test]
    fn wrong_entries_are_refused_with_their_line() {
        for (text, line, expected) in [
            (
                "[cameras]\n\n\"no-slash\" = { officer = \"1\" }",
                3,
                "is not a camera id",
            ),
            (
                "[cameras]\n\"a/b c\" = { officer = \"1\" }",
                2,
                "is not a camera id",
            ),
            (
                "[cameras]\n\"a/ b\" = { officer = \"1\" }",
                2,
                "is not a camera id",
            ),
            ("[cameras]\n\"a/b\" = { officer = \"\" }", 2, "badge id"),
            (
                "[cameras]\n\"a/b\" = { officer = \"x\\ny\" }",
                2,
                "badge id",
            ),
            (
                "[cameras]\n\"a/b\" = { oficer = \"x\" }",
                2,
                "did you mean `officer`",
            ),
            ("[camera]\n", 1, "did you mean `cameras`"),
            (
                "[cameras]\n\"a/b\" = { officer = \"1\" }\n\"a/b\" = { officer = \"2\" }",
                3,
                "duplicate",
            ),
            ("[cameras]\n\"a/b\" = {}", 2, "missing field `officer`"),
        ] {
            let error = roster(text).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains(expected), "{text}: {shown}");
            assert!(
                shown.contains(&format!("roster.toml:{line}:")),
                "{text}: {shown}"
            );
            assert!(!error.next_step().is_empty());
        }
    }
}
