use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "office_entries",
        EvidenceManager,
        "The entries of a station's log in the bucket do not lead to its signed root, so nothing more of them is read.",
        "Run `camdock verify --bucket` on the station; if it persists, keep the bucket as it is and find out who wrote to it.",
    ),
    code(
        "office_entries_unfit",
        EvidenceManager,
        "A station's signed log holds entries that make no sense. They are counted and passed over.",
        "Run `camdock verify` on the station. If it runs a released CamDock, report the entry; else find out who wrote to its log.",
    ),
    code(
        "office_index",
        Operations,
        "The office's index cannot be read or written.",
        "Check the disk and the rights of the office's state folder; then run `camdock office rebuild`.",
    ),
    code(
        "office_items_undecided",
        EvidenceManager,
        "Recordings in quarantine wait for somebody's decision.",
        "On the station, run `camdock quarantine list`, then `camdock quarantine decide`.",
    ),
    code(
        "office_items_waiting",
        Operations,
        "Recordings that a station has sealed more than a day ago are not in the store.",
        "Run `camdock status` on the station: it says why its uploads wait.",
    ),
    code(
        "office_listing",
        Operations,
        "The store's answer is no listing in the order of its keys, so a station's objects cannot be compared with its log.",
        "Look for objects with unusual names in the station's folder, and try the store with `camdock check --store` on a station.",
    ),
    code(
        "office_log_absent",
        Operations,
        "The bucket holds no log of a station that the office follows.",
        "Check the station's name and prefix in office.toml, and that the station runs and reaches the store.",
    ),
    code(
        "office_log_after_close",
        EvidenceManager,
        "A station's log has grown although it was closed.",
        "Find out who uses the station or its key. If it was closed by mistake, run `camdock office release STATION` with your name and the reason.",
    ),
    code(
        "office_log_rewritten",
        EvidenceManager,
        "A station's log was rewritten: it no longer begins with what the office has cosigned. Nothing of it is cosigned any more.",
        "The office keeps the two signed checkpoints, here and in its own log: they prove it. Stop the station, keep its disk, and find out who had access. Then decide: `camdock office release` or `camdock office close`.",
    ),
    code(
        "office_log_rolled_back",
        EvidenceManager,
        "The bucket shows fewer entries of a station's log than the office has cosigned.",
        "Find out who wrote to the bucket. If the station was put back from an old copy, follow what it says at its start.",
    ),
    code(
        "office_log_silent",
        Operations,
        "A station's log has not grown for longer than office.toml allows.",
        "Check that the station runs and reaches the store; raise `silent_hours` if it is seldom used.",
    ),
    code(
        "office_log_tiles",
        EvidenceManager,
        "The tiles of a station's log in the bucket do not lead to its signed root.",
        "Run `camdock verify --bucket` on the station; if it persists, keep the bucket as it is and find out who wrote to it.",
    ),
    code(
        "office_object_checksum",
        EvidenceManager,
        "The store names another checksum for an object than the station's log.",
        "Change nothing in the bucket. Run `camdock verify` on the station, and find out who wrote the object.",
    ),
    code(
        "office_object_covered",
        EvidenceManager,
        "Whoever reads an object gets another version than the one in the station's log, or a deletion.",
        "The version in the log can be read by its id as long as its lock holds. Find out who wrote to the bucket, and remove what lies over it.",
    ),
    code(
        "office_object_foreign",
        EvidenceManager,
        "The bucket holds an object in a station's folder that no entry of its log names.",
        "Find out who wrote it. If the station was put back from an old copy, its log may have lost the entry: keep the object.",
    ),
    code(
        "office_object_missing",
        EvidenceManager,
        "A station's log calls an object stored, and the bucket does not list it.",
        "Change nothing in the bucket. Ask the store's administrators for deletions, restore the version, and keep cameras and the station's spool from being wiped.",
    ),
    code(
        "office_object_size",
        EvidenceManager,
        "An object in the bucket has another size than in the station's log.",
        "Change nothing in the bucket. The version in the log may lie below a newer one: read it by its id, and find out who wrote to the bucket.",
    ),
    code(
        "office_object_unlocked",
        EvidenceManager,
        "An object is not locked in the store as the station's log says.",
        "Lock that version in the store until the logged date. Then find out why it was not: somebody with special rights, or a store that takes locks and does not keep them.",
    ),
    code(
        "office_record",
        Operations,
        "The witness's own record of a log is damaged or cannot be read.",
        "Restore the office's state folder, or remove the log's folder below `witness`: the office takes back what it had cosigned from the bucket.",
    ),
    code(
        "office_station_key",
        Operations,
        "A station's log key in office.toml is missing, wrong or used twice.",
        "On the station, run `cat /var/lib/camdock/keys/log.pub`, and bring the line here by a way that you trust.",
    ),
    code(
        "office_text",
        Operations,
        "A reason cannot be kept beside the office's log.",
        "Check the disk and the rights of the office's state folder; it is tried again.",
    ),
];
