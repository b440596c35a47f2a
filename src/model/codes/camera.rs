use super::{
    Code,
    Person::{EvidenceManager, Officer, Operations},
    code,
};

const RETRIED_IN_BAY: &str = "Leave the camera docked: the station tries again. If the problem stays, dock the camera in another bay.";
const DOCK_AGAIN: &str = "Dock the camera again. If that does not help, tell operations.";
const BY_HAND: &str = "Keep the camera and call the evidence manager: a person must examine it.";

pub(super) const CODES: &[Code] = &[
    code(
        "camera_clock_ahead",
        Operations,
        "The newest file on the camera is dated in the future, so the camera's clock is ahead.",
        "Set the camera's clock. The custody log holds this bound beside the times of the files.",
    ),
    code(
        "camera_clock_not_set",
        Operations,
        "The camera's profile asks to set its clock, but the clock could not be set.",
        "Set the camera's clock by hand, or remove `set_clock` from its profile.",
    ),
    code(
        "camera_empty",
        Officer,
        "The camera shows no files, although it should hold some, or its folder is empty.",
        "Unlock the camera or switch it off and on, check its card, and dock it again. If it was emptied on purpose, it may be removed; otherwise call the evidence manager.",
    ),
    code(
        "camera_gone",
        Officer,
        "The camera no longer answers.",
        DOCK_AGAIN,
    ),
    code(
        "camera_protocol",
        Operations,
        "The camera violates its protocol.",
        RETRIED_IN_BAY,
    ),
    code(
        "camera_refused_operation",
        Officer,
        "The camera refused a request.",
        "Unlock the camera or let it finish starting, then dock it again.",
    ),
    code(
        "camera_reply_too_large",
        Operations,
        "The camera sent more data than its protocol allows.",
        RETRIED_IN_BAY,
    ),
    code(
        "camera_silent",
        Officer,
        "The camera did not answer in time.",
        RETRIED_IN_BAY,
    ),
    code(
        "camera_slow",
        Officer,
        "The camera answers extremely slowly.",
        "Clean the camera's contacts and dock it in another bay. If it is just as slow there, leave it docked and tell operations.",
    ),
    code(
        "camera_stopped",
        Officer,
        "Reading the camera was stopped.",
        "Dock the camera again: the station continues where it stopped.",
    ),
    code(
        "camera_unreadable",
        Officer,
        "The camera cannot be read.",
        DOCK_AGAIN,
    ),
    code(
        "camera_unsupported",
        Operations,
        "The camera cannot be read in the way that its profile names.",
        "Give its model a profile with another `access`, or update CamDock.",
    ),
    code(
        "camera_warning",
        Operations,
        "Something about a camera needs correction, such as a factory password that still works.",
        "Do what the log line says in `warning`. The footage is taken in any case.",
    ),
    code(
        "listing_too_slow",
        Officer,
        "Listing the camera's files took too long and was cut off.",
        DOCK_AGAIN,
    ),
    code(
        "more_refused",
        EvidenceManager,
        "More of the camera's entries cannot be taken than are named one by one.",
        BY_HAND,
    ),
    code(
        "no_storage",
        Officer,
        "The camera is locked or has no storage.",
        "Unlock the camera, or switch it on and check its card. Then dock it again. If nothing is on it, hand it over to the evidence manager.",
    ),
    code(
        "pull_not_resumed",
        Operations,
        "An interrupted transfer cannot be resumed, so the file is read again from its start.",
        "Nothing to do. If it happens often, check the station's disk.",
    ),
    code(
        "source_changed",
        Officer,
        "The camera is still writing to a file.",
        "Leave the camera docked until it stops recording.",
    ),
    code(
        "storage_unreadable",
        Officer,
        "One of the camera's storages cannot be read.",
        DOCK_AGAIN,
    ),
    code(
        "too_many_files",
        Operations,
        "The camera has more files than the station lists.",
        "If this camera can be trusted, raise `max_files` in [ingest], then dock it again.",
    ),
    code(
        "too_many_storages",
        EvidenceManager,
        "The camera claims to have more storages than the station reads.",
        BY_HAND,
    ),
];
