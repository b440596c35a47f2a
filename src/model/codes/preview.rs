use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

const OTHER_MACHINE: &str =
    "The original is safe. If its previews matter, open it with `camdock open` on another machine.";
const REPORT_FILE: &str = "The original is safe. Report the file: it may be hostile.";

pub(super) const CODES: &[Code] = &[
    code(
        "preview_all_zeros",
        EvidenceManager,
        "A recording holds nothing but zeros.",
        "The station holds what the camera gave. Keep the camera's card for a specialist: the recording may still be on it.",
    ),
    code(
        "preview_crashed",
        Operations,
        "The preview worker crashed.",
        REPORT_FILE,
    ),
    code(
        "preview_encrypted",
        EvidenceManager,
        "The pictures of a recording are encrypted by the camera.",
        "The original is safe. Open it with `camdock open` and play it with the camera maker's software.",
    ),
    code(
        "preview_ffmpeg",
        Operations,
        "ffmpeg failed while it made a preview.",
        OTHER_MACHINE,
    ),
    code(
        "preview_footage_unreadable",
        Operations,
        "The sealed footage cannot be read for its previews.",
        "Run `camdock verify --deep` and check the station's disk.",
    ),
    code(
        "preview_forbidden",
        Operations,
        "The preview worker attempted something that its sandbox forbids.",
        REPORT_FILE,
    ),
    code(
        "preview_hung",
        Operations,
        "The preview worker made no progress.",
        REPORT_FILE,
    ),
    code(
        "preview_killed",
        Operations,
        "The preview worker was killed from outside, perhaps for lack of memory.",
        "Give the station more memory, or lower `memory_mib` and `workers` in [preview].",
    ),
    code(
        "preview_limit",
        Operations,
        "A preview needs more memory or time than it may have.",
        "The original is safe. Raise `memory_mib` or `cpu_minutes` in [preview] if such footage is common.",
    ),
    code(
        "preview_no_decoder",
        Operations,
        "There is no decoder for this recording's video.",
        OTHER_MACHINE,
    ),
    code(
        "preview_no_index",
        EvidenceManager,
        "The recording broke off before its index was written.",
        "The original is safe. To play it, repair a copy of it.",
    ),
    code(
        "preview_no_room",
        Operations,
        "A preview video was given up, because the station's disk was needed for new footage.",
        "The original is safe. Give the spool a larger disk if this happens often. If the preview matters, open the original with `camdock open` on another machine.",
    ),
    code(
        "preview_nonsense",
        Operations,
        "The preview worker sent an invalid answer.",
        REPORT_FILE,
    ),
    code(
        "preview_not_needed",
        EvidenceManager,
        "Browsers play the original itself, and its bit rate is not above `above_megabits` in [preview].",
        "Watch the original. With `always` as `video` in [preview], every later recording gets a video.",
    ),
    code(
        "preview_not_video",
        EvidenceManager,
        "A recording has no video that can be shown.",
        OTHER_MACHINE,
    ),
    code(
        "preview_nothing_decoded",
        EvidenceManager,
        "Not one picture of a recording could be decoded.",
        OTHER_MACHINE,
    ),
    code(
        "preview_sandbox",
        Operations,
        "The sandbox for previews cannot be set up.",
        "Use a kernel with seccomp filters, or set `enabled = false` in [preview].",
    ),
    code(
        "preview_sandbox_layers",
        Operations,
        "This kernel lacks parts of the sandbox for previews.",
        "Use a kernel with Landlock. Until then only the system call filter confines the worker.",
    ),
    code(
        "preview_size",
        EvidenceManager,
        "The picture size of a recording is out of bounds.",
        OTHER_MACHINE,
    ),
    code(
        "preview_start",
        Operations,
        "The preview worker cannot be started.",
        "Check that the service may start processes (TasksMax, memory), then restart it.",
    ),
    code(
        "preview_too_late",
        Operations,
        "A preview waited for its turn longer than `hold_hours` in [preview], and was given up.",
        "The original is safe. Raise `hold_hours` or `workers` in [preview] if this happens often. If the preview matters, open the original with `camdock open` on another machine.",
    ),
    code(
        "preview_unreadable",
        EvidenceManager,
        "ffmpeg cannot read a recording.",
        OTHER_MACHINE,
    ),
    code(
        "preview_unwritable",
        Operations,
        "A sealed preview cannot be written.",
        "Check the station's disk. The original is safe.",
    ),
    code(
        "preview_videos_off",
        EvidenceManager,
        "The station's configuration asks for no preview videos.",
        "Watch the original. With `needed` as `video` in [preview], later recordings that browsers do not play get a video.",
    ),
];
