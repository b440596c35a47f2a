use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "gap_camera",
        EvidenceManager,
        "A camera of the roster has not been docked here for a long time.",
        "Ask the officer for the camera, or take it out of `roster.toml`.",
    ),
    code(
        "gap_never_taken",
        EvidenceManager,
        "A file was seen on a camera but neither taken nor already held.",
        "Dock the camera again. If the file is gone, ask the officer and explain the gap with `camdock audit accept`.",
    ),
    code(
        "gap_not_taken",
        EvidenceManager,
        "A camera's file could not be taken, and has not been taken since.",
        "Read the reason. Dock the camera again, or keep its card for a specialist and explain the gap with `camdock audit accept`.",
    ),
    code(
        "gap_number",
        EvidenceManager,
        "A number is missing in the names of a camera's recordings.",
        "Ask the officer whether recordings were deleted or taken elsewhere, and explain the gap with `camdock audit accept`.",
    ),
    code(
        "gap_object_covered",
        EvidenceManager,
        "The store has an object as the custody log says, but a newer version or a delete marker covers it.",
        "Change nothing in the bucket, run `camdock verify --deep`, keep its output, and call the evidence manager.",
    ),
    code(
        "gap_object_missing",
        EvidenceManager,
        "The custody log says that an object was stored, but the store does not have it.",
        "Change nothing in the bucket, run `camdock verify`, keep its output, and call the evidence manager.",
    ),
    code(
        "gap_object_size",
        EvidenceManager,
        "An object has a different size in the store than in the custody log.",
        "Change nothing in the bucket, run `camdock verify --deep`, keep its output, and call the evidence manager.",
    ),
    code(
        "gap_object_unknown",
        EvidenceManager,
        "The store holds an object that this station's custody log does not know.",
        "Find out who put it there, and leave it as it is until you know.",
    ),
    code(
        "gap_object_unlocked",
        EvidenceManager,
        "The store does not lock an object as the custody log says.",
        "Lock that version again, and find out who changed its lock. Keep the output and call the evidence manager.",
    ),
    code(
        "gap_session",
        EvidenceManager,
        "A camera's last stay was cut short and never finished.",
        "Dock the camera again, in any bay, until it may be taken out.",
    ),
    code(
        "gap_waiting",
        Operations,
        "A sealed item has waited a long time for the store.",
        "Run `camdock status`: it names what keeps the item from being stored.",
    ),
];
