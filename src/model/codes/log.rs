use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

const VERIFY: &str =
    "Run `camdock verify`, keep the log's files as they are, and call the evidence manager.";
const STOP: &str = "Stop here: keep both copies and call the evidence manager.";
const STATE_FOLDER: &str =
    "Check the disk and the permissions of the state folder, then restart the service.";

pub(super) const CODES: &[Code] = &[
    code(
        "added",
        EvidenceManager,
        "An entry that was never signed was added to the custody log.",
        VERIFY,
    ),
    code(
        "anchor_covered",
        EvidenceManager,
        "Something lies over a checkpoint that was written once, or it was deleted.",
        "Change nothing in the bucket, and call the evidence manager.",
    ),
    code(
        "anchor_unlocked",
        EvidenceManager,
        "A checkpoint that was written once is not locked, though the items of its time are.",
        "Lock that version again, and find out who changed its lock. Keep the output of `camdock verify`.",
    ),
    code(
        "bad_signature",
        EvidenceManager,
        "The signature of the custody log's checkpoint is wrong.",
        VERIFY,
    ),
    code(
        "bucket_log_missing",
        EvidenceManager,
        "The bucket no longer holds this station's or office's log, so all of it is published again.",
        "Find out who emptied the bucket, and run `camdock verify`: it names every item that is gone.",
    ),
    code(
        "bucket_log_older",
        EvidenceManager,
        "The bucket's copy of this station's or office's log is older than what was published.",
        "Find out who put an old copy there, run `camdock verify`, and keep its output.",
    ),
    code(
        "copies_differ",
        EvidenceManager,
        "The custody log here and its copy in the bucket differ.",
        VERIFY,
    ),
    code(
        "edited",
        EvidenceManager,
        "An entry of the custody log was edited.",
        VERIFY,
    ),
    code(
        "fork",
        EvidenceManager,
        "Two copies of the custody log contradict each other.",
        VERIFY,
    ),
    code(
        "log_behind_bucket",
        Operations,
        "This station's or office's log is behind its copy in the bucket.",
        "The machine was restored from an old copy, or its log was cut. Move the log folder aside without deleting anything, and start the service again. An office, or a station that has its journal, fetches the newer log from the bucket; otherwise call the evidence manager.",
    ),
    code(
        "log_copy_wrong",
        EvidenceManager,
        "The bucket's copy of the custody log does not verify.",
        STOP,
    ),
    code(
        "log_corrupt",
        EvidenceManager,
        "Files of the custody log contradict each other.",
        VERIFY,
    ),
    code(
        "log_entry",
        Operations,
        "An entry does not fit the custody log's format.",
        "Report this with the log lines around it. No footage is lost.",
    ),
    code(
        "log_folder_lost",
        Operations,
        "The custody log's folder is gone, so it is fetched from the bucket and verified.",
        "Check the disk.",
    ),
    code(
        "log_foreign",
        EvidenceManager,
        "The bucket holds a log under this station's or office's name, and the key here did not sign it.",
        STOP,
    ),
    code(
        "log_fork",
        EvidenceManager,
        "The custody log here and the one in the bucket contradict each other.",
        STOP,
    ),
    code(
        "log_key",
        Operations,
        "The station's signing key cannot be used.",
        "Check the path and permissions of the key file, then run `camdock check`.",
    ),
    code(
        "log_lost",
        Operations,
        "The custody log's folder is gone, and the bucket's copy is older than a receipt or an earlier copy that existed.",
        "Restore the log folder from a backup of this very disk. If there is none, give the station or office a new name and new keys.",
    ),
    code(
        "log_proof",
        EvidenceManager,
        "A receipt does not prove what it should.",
        VERIFY,
    ),
    code(
        "log_range",
        EvidenceManager,
        "An entry was requested that the custody log does not have.",
        VERIFY,
    ),
    code(
        "log_signature",
        EvidenceManager,
        "A checkpoint of the custody log is not signed by this station's key.",
        VERIFY,
    ),
    code(
        "log_stopped",
        Operations,
        "The custody log accepts no more entries.",
        STATE_FOLDER,
    ),
    code(
        "log_unreadable",
        Operations,
        "A file of the custody log cannot be read.",
        STATE_FOLDER,
    ),
    code(
        "not_canonical",
        EvidenceManager,
        "An entry of the custody log is not in its canonical form.",
        VERIFY,
    ),
    code(
        "removed",
        EvidenceManager,
        "An entry of the custody log was removed.",
        VERIFY,
    ),
    code(
        "reordered",
        EvidenceManager,
        "Entries of the custody log were put into another order.",
        VERIFY,
    ),
    code(
        "replaced_key",
        EvidenceManager,
        "The custody log is signed by another key.",
        VERIFY,
    ),
    code(
        "tile_mismatch",
        EvidenceManager,
        "A file of the custody log does not lead to the signed root.",
        VERIFY,
    ),
    code(
        "time_backwards",
        EvidenceManager,
        "Entries of the custody log are dated before an earlier one.",
        "Find out whether the station's clock was set back then; `camera.docked` says whether it was synchronised.",
    ),
    code(
        "truncated",
        EvidenceManager,
        "The custody log was cut short.",
        VERIFY,
    ),
];
