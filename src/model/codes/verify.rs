use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

const CHANGE_NOTHING: &str =
    "Change nothing, keep the output of `camdock verify`, and call the evidence manager.";

pub(super) const CODES: &[Code] = &[
    code(
        "disposal_against_rule",
        EvidenceManager,
        "The office's log says that an item was deleted, and that was against a rule: held, too early, by one person, under another class, or said twice.",
        "Keep both logs, find out who had the rights to delete and who entered it, and call the evidence manager.",
    ),
    code(
        "disposed_still_there",
        EvidenceManager,
        "The office's log says that an item was deleted by rule, and the store has an object of it.",
        "Keep the object as it is, find out who put it there, and whether the disposer may delete it.",
    ),
    code(
        "footage_altered",
        EvidenceManager,
        "The footage does not open, because it was altered.",
        CHANGE_NOTHING,
    ),
    code(
        "footage_size",
        EvidenceManager,
        "The opened footage has a different size than the custody log says.",
        CHANGE_NOTHING,
    ),
    code(
        "item_cut",
        EvidenceManager,
        "The store holds a receipt that this station signed, and the log does not name its item.",
        "Keep both the log and the bucket as they are, and call the evidence manager.",
    ),
    code(
        "item_key_wrong",
        EvidenceManager,
        "An item's key message is not the one that was sealed with the item.",
        CHANGE_NOTHING,
    ),
    code(
        "item_twice",
        EvidenceManager,
        "The custody log enters an item a second time, with other content.",
        "Keep both the log and the bucket as they are, and call the evidence manager.",
    ),
    code(
        "manifest_altered",
        EvidenceManager,
        "An item's manifest differs from its entry in the custody log.",
        CHANGE_NOTHING,
    ),
    code(
        "object_altered",
        EvidenceManager,
        "A stored object differs from what the custody log says.",
        CHANGE_NOTHING,
    ),
    code(
        "object_checksum",
        EvidenceManager,
        "A stored object has a different checksum than the custody log says.",
        CHANGE_NOTHING,
    ),
    code(
        "object_covered",
        EvidenceManager,
        "A newer version or a delete marker covers a stored object.",
        CHANGE_NOTHING,
    ),
    code(
        "object_missing",
        EvidenceManager,
        "A stored object is not in the bucket.",
        CHANGE_NOTHING,
    ),
    code(
        "object_size",
        EvidenceManager,
        "A stored object has a different size than the custody log says.",
        CHANGE_NOTHING,
    ),
    code(
        "object_unlocked",
        EvidenceManager,
        "The store does not lock an object as the custody log says.",
        "Lock that version again, and find out who changed its lock. Keep the output of `camdock verify`.",
    ),
    code(
        "office_log_wrong",
        EvidenceManager,
        "The log of the office that camdock.toml names does not verify, so none of its acts counts, and what it says was deleted by rule is missing.",
        "Change nothing in the bucket, run `camdock office acts` on the office, and call the evidence manager.",
    ),
    code(
        "receipt_wrong",
        EvidenceManager,
        "An item's receipt does not prove its entry.",
        CHANGE_NOTHING,
    ),
    code(
        "several_versions",
        EvidenceManager,
        "An object that is written once has more than one version in the bucket.",
        CHANGE_NOTHING,
    ),
    code(
        "store_error",
        Operations,
        "An object in the store could not be checked.",
        "Check the store and the credentials, then verify again.",
    ),
    code(
        "stored_not_sealed",
        EvidenceManager,
        "The custody log says that an item was stored but not that it was sealed.",
        CHANGE_NOTHING,
    ),
    code(
        "unknown_object",
        EvidenceManager,
        "The bucket holds an object that the custody log does not name.",
        "Find out who put it there: the station's credentials are for the station alone.",
    ),
    code(
        "versions_hidden",
        Operations,
        "The store does not tell the credentials of older versions, so deletions and covered objects were not looked at.",
        "Give the credentials that verify the right `s3:ListBucketVersions`, as in `config/verify-policy.json`.",
    ),
    code(
        "view_note_wrong",
        EvidenceManager,
        "A note in the bucket says that somebody opened an item, and is not what its writer signed, or is not in its place.",
        "Find out who may write below viewed/, ask the person whom it names, and keep it as it is.",
    ),
];
