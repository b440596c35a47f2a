use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "pack_exists",
        EvidenceManager,
        "There is a file or folder already where the pack was to be made. Packs never replace anything.",
        "Choose another name for -o.",
    ),
    code(
        "pack_item_unfit",
        EvidenceManager,
        "The logs say things of an item that cannot all be true, so no pack is made of it.",
        "Run `camdock verify` on the stations that are named, and find out who wrote to their logs.",
    ),
    code(
        "pack_item_unknown",
        EvidenceManager,
        "No station of this office has logged such an item, or the office has not read that yet.",
        "Look the item up on the page Find and copy its number from there. One that was taken a moment ago appears once the office has read the station's log.",
    ),
    code(
        "pack_left_over",
        EvidenceManager,
        "A pack was being made here and was not finished. What is left of it may hold opened footage.",
        "If nobody is making it any more, remove the folder or file whose name ends with .unfinished, and make the pack again.",
    ),
    code(
        "pack_write",
        Operations,
        "A file of a pack cannot be written or read back.",
        "Check the disk that the pack is made on, and make the pack again.",
    ),
];
