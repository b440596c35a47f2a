//! Evidence that no camera brought: what people declared about it, and how each item names that.

use serde::{Deserialize, Serialize};

use super::{
    BayName, CameraId, ClockState, EvidenceId, Officer, Sha256Digest, SourcePath, is_one_line,
};

/// What a person says about an import, in words that the custody log keeps for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFacts {
    /// What it is: a disc, a stick, another program's export.
    pub source: String,
    pub received_from: String,
    /// The officer that its items are assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// The exhibit mark that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derivation>,
    /// Whoever imported it, where another name than the account's was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// The original that a clip or a redacted copy was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    pub from: EvidenceId,
    /// The original's own digest, where this station's log has it: then the original was taken here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// Whoever made the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// The program that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

impl ImportFacts {
    /// Refuses, in words, what a log cannot say.
    pub fn check(&self) -> Result<(), String> {
        let derived = self.derived.as_ref();
        for (what, words) in [
            ("source", Some(&self.source)),
            ("received-from", Some(&self.received_from)),
            ("incident", self.incident.as_ref()),
            ("exhibit", self.exhibit.as_ref()),
            ("maker", derived.and_then(|derived| derived.maker.as_ref())),
            ("tool", derived.and_then(|derived| derived.tool.as_ref())),
            ("operator", self.operator.as_ref()),
        ] {
            if words.is_some_and(|words| !is_one_line(words)) {
                return Err(format!(
                    "--{what} is empty, longer than 500 characters or not one line"
                ));
            }
        }
        if self.officer.as_ref().is_some_and(|it| !it.is_badge()) {
            return Err("--officer is not a badge id: one word of at most 64 characters".into());
        }
        Ok(())
    }

    /// Stands for the source where items of cameras name their camera: the same declaration gives the same name, so that an
    /// import that is run again knows what it has. Files are compared with what they were, never trusted by this name.
    pub fn source_id(&self) -> CameraId {
        let from = self
            .derived
            .as_ref()
            .map(|derived| derived.from.to_string());
        let parts = [
            Some(&self.source),
            Some(&self.received_from),
            self.incident.as_ref(),
            self.exhibit.as_ref(),
            from.as_ref(),
        ];
        let mut bytes = Vec::new();
        for part in parts {
            let part = part.map_or("", |part| part.trim());
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
        let mut serial = Sha256Digest::of(&bytes).to_string();
        serial.truncate(16);
        // Hex digits are always a serial.
        CameraId::new(IMPORT_MAKE, &serial)
            .unwrap_or_else(|| unreachable!("{IMPORT_MAKE}/{serial}"))
    }
}

/// Stands in the place of a camera's make, and of how it is read.
pub const IMPORT_MAKE: &str = "import";

/// The entry with which an import begins. Nothing in it was seen by the station but the clock and the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportDeclared {
    pub bay: BayName,
    /// See [`ImportFacts::source_id`].
    pub camera: CameraId,
    #[serde(flatten)]
    pub facts: ImportFacts,
    /// Where the order came from: what the kernel says of the user, or which part of the configuration it was.
    pub peer: String,
    pub clock: ClockState,
}

/// How an imported item names its import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOrigin {
    /// The `import.declared` entry of the same log.
    pub entry: u64,
    /// The item that this one is a clip or a redacted copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<EvidenceId>,
}

/// What was not taken of an import, for whoever ordered it; the log names it, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTaken {
    /// Escaped for showing.
    pub file: String,
    pub code: String,
    pub reason: String,
}

impl NotTaken {
    pub fn new(path: &SourcePath, code: &str, reason: String) -> Self {
        Self {
            file: path.to_string(),
            code: code.to_owned(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(source: &str, from: &str) -> ImportFacts {
        ImportFacts {
            source: source.into(),
            received_from: from.into(),
            officer: None,
            incident: None,
            exhibit: None,
            derived: None,
            operator: None,
        }
    }

    #[test]
    fn the_same_declaration_names_the_same_source_and_another_one_another() {
        let disc = facts("disc", "the shop").source_id();
        assert_eq!(disc, facts(" disc ", "the shop").source_id());
        assert!(disc.as_str().starts_with("import/"));
        let others = [
            facts("disc", "the shop next door").source_id(),
            facts("dis", "cthe shop").source_id(),
            ImportFacts {
                exhibit: Some("AB/1".into()),
                ..facts("disc", "the shop")
            }
            .source_id(),
        ];
        assert!(!others.contains(&disc));
        // The officer may change without the files being other ones.
        let officer = ImportFacts {
            officer: Some(Officer("4711".into())),
            ..facts("disc", "the shop")
        };
        assert_eq!(officer.source_id(), disc);
    }

    #[test]
    fn what_is_not_one_line_is_refused_by_name() {
        assert_eq!(facts("disc", "the shop").check(), Ok(()));
        let wrong = facts("disc", "the\nshop").check().unwrap_err();
        assert!(wrong.starts_with("--received-from"), "{wrong}");
        assert!(facts(" ", "x").check().unwrap_err().starts_with("--source"));
        let spaced = ImportFacts {
            officer: Some(Officer("47 11".into())),
            ..facts("disc", "the shop")
        };
        assert!(spaced.check().unwrap_err().starts_with("--officer"));
    }
}
