use super::{Code, Person::EvidenceManager, code};

const TELL_EVIDENCE_MANAGER: &str =
    "Tell the evidence manager: the custody log names the file and the reason.";

pub(super) const CODES: &[Code] = &[
    code(
        "bad_handle",
        EvidenceManager,
        "The camera lists an object whose number refers to nothing.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "file_denied",
        EvidenceManager,
        "The camera denies reading a file.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "file_gone",
        EvidenceManager,
        "A file disappeared from the camera.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "file_short",
        EvidenceManager,
        "The camera sends less of a file than its size says.",
        "Leave the camera docked: the station tries again. If the problem stays, keep the camera as evidence and copy this file by hand.",
    ),
    code(
        "file_swapped",
        EvidenceManager,
        "A file was replaced while it was being read.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "file_unreadable",
        EvidenceManager,
        "A file on the camera cannot be read.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "files_failed",
        EvidenceManager,
        "Some files could not be read.",
        "Leave the camera docked and tell the evidence manager: the custody log names each file and the reason.",
    ),
    code(
        "folder_loop",
        EvidenceManager,
        "A folder on the camera contains itself.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "folder_unreadable",
        EvidenceManager,
        "A folder on the camera cannot be read.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "not_regular",
        EvidenceManager,
        "An entry on the camera is neither a file nor a folder.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "not_taken",
        EvidenceManager,
        "Some entries on the camera are not files that can be taken.",
        "Tell the evidence manager: the custody log names each entry and the reason. Everything else is secured.",
    ),
    code(
        "other_filesystem",
        EvidenceManager,
        "A folder on the camera lies on another file system.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "path_ambiguous",
        EvidenceManager,
        "A file's path could belong to two of the camera's storages.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "path_escapes",
        EvidenceManager,
        "A name on the camera leads outside the camera's own folder.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "path_too_long",
        EvidenceManager,
        "A path on the camera is too long.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "seal_limit",
        EvidenceManager,
        "A file exceeds the limits of the sealed format.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "size_unknown",
        EvidenceManager,
        "The camera does not give the size of a file, or gives a wrong one.",
        "Keep the camera as evidence and copy this file by hand, or read this camera as mass storage if it offers that.",
    ),
    code(
        "symlink",
        EvidenceManager,
        "An entry on the camera is a link, and links are not followed.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "too_deep",
        EvidenceManager,
        "The camera's folders are nested too deeply.",
        TELL_EVIDENCE_MANAGER,
    ),
    code(
        "too_large",
        EvidenceManager,
        "An item is larger than the store accepts.",
        TELL_EVIDENCE_MANAGER,
    ),
];
