use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "wipe_helper",
        Operations,
        "Root's wipe helper does not answer.",
        "Run `systemctl enable --now camdock-wipe.socket`, and read `journalctl -u 'camdock-wipe@*'`.",
    ),
    code(
        "wipe_impossible",
        Operations,
        "A camera of this kind cannot be wiped.",
        "Remove `wipe` from the camera's profile.",
    ),
    code(
        "wipe_left",
        Operations,
        "Stored files were left on a camera that was to be wiped.",
        "Read the `camera.wiped` entries of the custody log: they name each file and the reason.",
    ),
    code(
        "wipe_medium",
        Operations,
        "A camera's storage is not in the expected state after wiping.",
        "Take the camera out, dock it again, and read `journalctl -u 'camdock-wipe@*'`.",
    ),
    code(
        "wipe_not_allowed",
        Operations,
        "A profile switches wiping on, but root's `wipe.toml` does not allow it.",
        "Write /etc/camdock/wipe.toml as root, or remove `wipe` from the profile. Nothing was deleted.",
    ),
    code(
        "wipe_refused",
        Operations,
        "Root's wipe helper refuses to wipe a camera.",
        "Read `journalctl -u 'camdock-wipe@*'` and check /etc/camdock/wipe.toml. Nothing was deleted.",
    ),
    code(
        "wipe_twin",
        EvidenceManager,
        "A camera is not wiped, because another docked camera reports the same serial.",
        "Take both cameras out, find out which one is genuine, and dock it alone. Nothing more is deleted until then.",
    ),
];
