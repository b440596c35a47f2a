use super::{Code, Person::EvidenceManager, code};

pub(super) const CODES: &[Code] = &[
    code(
        "import_refused",
        EvidenceManager,
        "The station does not import this: what was declared is no single line, or the folder holds the station's own files or docked cameras.",
        "Do what the message says, and give the command again.",
    ),
    code(
        "import_running",
        EvidenceManager,
        "An import of the same source is running, or as many as the station runs at a time.",
        "Wait for its end, which `camdock status` shows, and give the command again.",
    ),
    code(
        "import_unreadable",
        EvidenceManager,
        "The service cannot open the folder or file that is to be imported.",
        "Let the user `camdock` read it. /home, /root and /tmp are hidden from the service: mount or copy the evidence below /media, /mnt or /srv.",
    ),
];
