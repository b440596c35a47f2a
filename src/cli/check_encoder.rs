//! What `camdock check` says of hardware encoders for previews. None is no fault: libx264 is always there.

use std::fs;
use std::path::Path;

use super::check::{Finding, fine};
use crate::config::Config;
use crate::preview::{hardware_present, try_hardware};

const WHAT: &str = "encoder";
const NONE: &str = "no hardware encoder; libx264 makes the preview videos";
/// Where units and what is added to them lie, the administrator's first.
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// `None`: there are no previews to encode.
pub fn finding(config: &Config) -> Option<Finding> {
    if !config.preview.enabled {
        return None;
    }
    if !config.preview.hardware {
        let off = "libx264 (`hardware = false` in [preview])";
        return Some(fine(WHAT, off.into()));
    }
    if !hardware_present() {
        return Some(fine(WHAT, NONE.into()));
    }
    let tried = std::env::current_exe()
        .map_err(|error| error.to_string())
        .and_then(|program| try_hardware(&program));
    Some(match tried {
        Ok(works) => fine(WHAT, with_unit(Path::new("/"), works)),
        Err(said) => fine(WHAT, format!("{NONE} ({said})")),
    })
}

/// What works for who checks need not work for the service: its unit lets it reach no such device by itself.
fn with_unit(root: &Path, works: String) -> String {
    let class = if works.contains("/dev/dri") {
        "char-drm"
    } else {
        "char-video4linux"
    };
    let folders = UNITS.map(|folder| root.join(folder));
    let installed = folders
        .iter()
        .any(|folder| folder.join("camdock.service").is_file());
    let let_in = folders.iter().any(|folder| {
        let added = fs::read_dir(folder.join("camdock.service.d"));
        added.into_iter().flatten().flatten().any(|file| {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            text.lines().any(|line| {
                let value = line.trim().strip_prefix("DeviceAllow=");
                value.is_some_and(|value| value.trim_start().starts_with(class))
            })
        })
    });
    if installed && !let_in {
        return format!(
            "{works} would work, but camdock.service may not reach it: hardware-encoder.conf lets it"
        );
    }
    works
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_unit_keeps_out_is_told() {
        let root = tempfile::tempdir().unwrap();
        let vaapi = || "h264_vaapi on /dev/dri/renderD128".to_owned();
        let v4l2 = || "h264_v4l2m2m on /dev/video*".to_owned();
        assert_eq!(with_unit(root.path(), vaapi()), vaapi());
        let units = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::write(units.join("camdock.service"), "[Service]\n").unwrap();
        let told = with_unit(root.path(), vaapi());
        assert!(told.contains("may not reach it"), "{told}");
        let added = root.path().join("etc/systemd/system/camdock.service.d");
        fs::create_dir_all(&added).unwrap();
        let shipped = include_str!("../../systemd/hardware-encoder.conf");
        fs::write(added.join("hardware-encoder.conf"), shipped).unwrap();
        assert_eq!(with_unit(root.path(), vaapi()), vaapi());
        let told = with_unit(root.path(), v4l2());
        assert!(told.contains("may not reach it"), "{told}");
    }
}
