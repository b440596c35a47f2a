use super::{Code, Person::Operations, code};

pub(super) const CODES: &[Code] = &[
    code(
        "clock_not_synchronised",
        Operations,
        "The station's clock is not synchronised.",
        "Set up time synchronisation, for example systemd-timesyncd. The custody log records the state of the clock with each docking.",
    ),
    code(
        "committer_gone",
        Operations,
        "The thread that secures files has ended.",
        "Restart the service and report the log lines before this one.",
    ),
    code(
        "disk_error",
        Operations,
        "Writing to the station's disk failed.",
        "Leave cameras docked. Operations: check the disk at once.",
    ),
    code(
        "disk_full",
        Operations,
        "The station's disk is full.",
        "Leave cameras docked. Operations: free space, and the work resumes automatically.",
    ),
    code(
        "drain_unfinished",
        Operations,
        "A run with `--drain` ended although something is left to do: nothing more would change without a person.",
        "Do what the log lines before this one say, then run it again.",
    ),
    code(
        "file_too_large",
        Operations,
        "A file on a camera is larger than the station's spool can ever hold.",
        "Leave the camera docked. Operations: give the spool a larger disk, or lower `reserve_bytes` of `[spool]`, and start the station again.",
    ),
    code(
        "journal_corrupt",
        Operations,
        "The journal is damaged or holds impossible values.",
        "Stop the service, move journal.db, journal.db-wal and journal.db-shm aside, and start it again: the journal is rebuilt from the custody log and the spool.",
    ),
    code(
        "journal_error",
        Operations,
        "The journal cannot be read or written.",
        "Check the disk and the permissions of the state folder, then restart the service.",
    ),
    code(
        "journal_illegal_step",
        Operations,
        "An item was to move to a state that does not follow its present one.",
        "Report this with the log lines around it. No footage is lost.",
    ),
    code(
        "journal_lost",
        Operations,
        "The journal does not know what the custody log knows, so it is rebuilt from the log and the spool.",
        "Check the disk. Items that were not stored yet are uploaded from the spool, without previews; `item_key_lost` names those whose key was lost, too.",
    ),
    code(
        "journal_too_new",
        Operations,
        "The journal was written by a newer version of CamDock.",
        "Install the version that ran here last, or a newer one.",
    ),
    code(
        "journal_too_old",
        Operations,
        "The journal was written by an older version of CamDock.",
        "Finish with the CamDock version that wrote it (`camdock run --drain`), then move journal.db, journal.db-wal and journal.db-shm aside and start this version: the journal is rebuilt from the custody log.",
    ),
    code(
        "log_lines_left_out",
        Operations,
        "Log lines of one kind came too often, so some were left out of the log.",
        "Find the camera or the cause that these lines name. The custody log names every file.",
    ),
    code(
        "part_crashed",
        Operations,
        "A part of the station ended because of a bug.",
        "Nothing that was taken is lost. Restart the service if something no longer works, and report this with the log lines before it.",
    ),
    code(
        "spool_full",
        Operations,
        "The station's spool is full.",
        "Leave the camera docked: the work resumes automatically. Operations: check the store.",
    ),
    code(
        "stopped",
        Operations,
        "The station was stopped.",
        "Nothing to do: the work resumes when the station starts again.",
    ),
];
