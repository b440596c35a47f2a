use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
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
