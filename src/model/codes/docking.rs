use super::{
    Code,
    Person::{Officer, Operations},
    code,
};

pub(super) const CODES: &[Code] = &[
    code(
        "bay_flaps",
        Officer,
        "A camera connects and disconnects again and again in its bay.",
        "Clean the contacts of the bay and the camera, and replace the cable. Dock the camera in another bay meanwhile.",
    ),
    code(
        "bay_numbers_lost",
        Operations,
        "The file with the bays' numbers cannot be read, so the bays are numbered anew.",
        "Name the bays in [dock] of camdock.toml, so that the labels on the sockets stay true.",
    ),
    code(
        "camera_unknown",
        Operations,
        "This camera is not in the roster.",
        "Enter the camera in roster.toml, then dock it again.",
    ),
    code(
        "disc_not_imported",
        Officer,
        "There is a disc in a drive whose bay is for cameras.",
        "Put the disc into the drive of a bay for imports. Operations makes a bay one by `import = true` in [dock] bays, or imports the disc by `camdock import`.",
    ),
    code(
        "dock_start",
        Operations,
        "The docks cannot be watched, because a thread or a file watch could not be created.",
        "Raise the service's task limit (TasksMax) or free memory, then restart the service.",
    ),
    code(
        "docked_folder_missing",
        Operations,
        "A folder where cameras are docked is missing.",
        "Create the folder, or correct `folders` in [dock] of camdock.toml.",
    ),
    code(
        "folder_hangs",
        Operations,
        "Reading a docked folder hangs.",
        "Check the disk or network drive behind the docked folders: it does not answer. Restart the service once it does.",
    ),
    code(
        "marker_unusable",
        Operations,
        "The marker file beside a docked folder cannot be used, or names an unknown profile.",
        "Add that profile, or correct or remove the marker (`FOLDER.camera`). The camera is read without it.",
    ),
    code(
        "no_thread",
        Operations,
        "The station cannot start a thread for another camera.",
        "Wait a minute, then dock the camera again. Raise TasksMax if it happens often.",
    ),
    code(
        "no_usb",
        Operations,
        "This machine has no USB that the station can use.",
        "Load the kernel's USB drivers, or set `usb = false` in [dock].",
    ),
    code(
        "not_a_camera",
        Officer,
        "The device that was docked is not a camera.",
        "Remove the device. Only cameras are read here.",
    ),
    code(
        "quarantine",
        Officer,
        "All files were taken, but they are in quarantine.",
        "The camera may be removed. The evidence manager decides what happens to the files.",
    ),
    code(
        "removed_early",
        Officer,
        "The camera was removed before everything was secured.",
        "Dock this camera again, in any bay: the station continues where it stopped.",
    ),
    code(
        "storage_not_mounted",
        Operations,
        "The camera's storage is not mounted yet.",
        "Leave the camera docked. If the problem stays, read `journalctl -u 'camdock-mount@*'`.",
    ),
    code(
        "usb_busy",
        Operations,
        "Another program is using the camera.",
        "Stop other programs that read cameras on this machine (gvfs, a photo importer), then dock the camera again.",
    ),
    code(
        "usb_denied",
        Operations,
        "The station has no permission to use the camera's USB device.",
        "Install the udev rules that come with CamDock, which give the group `camdock` access, then dock the camera again.",
    ),
    code(
        "usb_transfer",
        Operations,
        "A USB transfer failed.",
        "Leave the camera docked: the station tries again. If the problem stays, dock the camera in another bay.",
    ),
    code(
        "watch_missing",
        Operations,
        "The kernel reports no changes, so the station scans for them at intervals.",
        "Nothing is missed, only noticed later. Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches, then restart the service.",
    ),
];
