use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

const VERIFY_AGAIN: &str = "Fetch the object again from the store and run `camdock verify --deep`.";
const KEY_FILE: &str = "Check the path and permissions of the key file, then run `camdock check`.";

pub(super) const CODES: &[Code] = &[
    code(
        "crypto_refused",
        Operations,
        "A cryptographic operation failed.",
        "Report this with the log lines around it. No footage is lost.",
    ),
    code(
        "digest_mismatch",
        EvidenceManager,
        "The opened footage does not match the SHA-256 in the custody log.",
        VERIFY_AGAIN,
    ),
    code(
        "item_damaged",
        EvidenceManager,
        "An item was damaged on the station before it was stored, and has not been taken again.",
        "Dock its camera again. If the camera no longer has the recording, keep the spool folder and call the evidence manager.",
    ),
    code(
        "item_key_kept",
        EvidenceManager,
        "An `item-key` was in the store before the station's journal was rebuilt. Its header names the item; what it holds, only a recipient can see.",
        "Run `camdock verify --deep` with a recipient's key.",
    ),
    code(
        "item_key_lost",
        Operations,
        "The key of an item in flight was lost with the journal: its sealed file is stored without a check of its frames, and without an `item-key`.",
        "Check the disk. The recipients can open the footage; `camdock verify --deep` checks its frames.",
    ),
    code(
        "no_key",
        EvidenceManager,
        "The key does not open this sealed file.",
        "Use the private key of one of the recipients that the file was sealed to.",
    ),
    code(
        "output_unwritable",
        EvidenceManager,
        "The output file cannot be written.",
        "Check the disk and the permissions at the place of the output.",
    ),
    code(
        "private_key_unusable",
        EvidenceManager,
        "The private key cannot be used.",
        KEY_FILE,
    ),
    code(
        "recipient_is_private",
        Operations,
        "A recipient's file holds a private key.",
        "Move it off this station at once and put the public key there.",
    ),
    code(
        "recipient_unusable",
        Operations,
        "A recipient's public key cannot be used.",
        KEY_FILE,
    ),
    code(
        "sealed_format",
        EvidenceManager,
        "A sealed file does not have the expected format.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_frame_altered",
        EvidenceManager,
        "Part of a sealed file was altered.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_header_altered",
        EvidenceManager,
        "The header of a sealed file was altered.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_other_object",
        EvidenceManager,
        "A sealed file holds a different item than expected.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_trailing_bytes",
        EvidenceManager,
        "A sealed file has bytes after its end.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_truncated",
        EvidenceManager,
        "A sealed file is cut short.",
        VERIFY_AGAIN,
    ),
    code(
        "sealed_unreadable",
        Operations,
        "A sealed file cannot be read.",
        "Check the disk and the permissions of the state folder, then restart the service.",
    ),
    code(
        "spool_damaged",
        Operations,
        "A sealed file in the spool is damaged or cannot be read.",
        "Check the station's disk, and leave the camera docked or dock it again: the recording is taken anew. If the camera no longer has it, call the evidence manager.",
    ),
    code(
        "spool_file_missing",
        Operations,
        "A sealed item that is not stored yet has no file in the spool.",
        "Dock the camera again: the recording is taken anew. If the camera no longer has it, call the evidence manager.",
    ),
    code(
        "spool_file_unknown",
        Operations,
        "The spool holds a sealed file, and both the journal and the custody log of this station are new: they were lost. The file is kept as `ID.unknown`.",
        "Keep it. Its recipients can open it with `camdock open FILE`; call the evidence manager.",
    ),
    code(
        "wrap_key_mismatch",
        Operations,
        "The station's wrap key differs from the one that protects the items in flight.",
        "Restore wrap.key from your backup.",
    ),
];
