//! A file's name in a pack, made from its name on the camera.

use crate::model::SourcePath;

const LENGTH_MAX: usize = 100;
/// Names that Windows keeps for devices, whatever ending follows.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The last part of the path with letters, digits, `.`, `_` and `-` alone: every filesystem takes it, and BagIt's lists need no
/// escaping. The exact name is in the log.
pub fn file_name(path: &SourcePath) -> String {
    let path = path.as_bytes();
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let plain = |byte: &u8| match byte {
        b if b.is_ascii_alphanumeric() || b"._-".contains(b) => char::from(*b),
        _ => '_',
    };
    let mut name: String = last.iter().map(plain).collect();
    // The ending tells a player what it is.
    if name.len() > LENGTH_MAX {
        name = name.split_off(name.len() - LENGTH_MAX);
    }
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = |port: &str| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    let device = DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt");
    if device || name.starts_with(['.', '-']) {
        name.insert(0, '_');
    }
    if name.ends_with('.') {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_cameras_become_names_that_every_system_takes() {
        for (given, wanted) in [
            ("DCIM/100/A 1.MP4", "A_1.MP4"),
            ("a/..b", "_..b"),
            ("con.mp4", "_con.mp4"),
            ("COM1", "_COM1"),
            ("comet.mp4", "comet.mp4"),
            ("x%0a\n<b>.mp4", "x_0a__b_.mp4"),
            ("-rf", "_-rf"),
            ("end.", "end._"),
        ] {
            assert_eq!(file_name(&SourcePath::new(given).unwrap()), wanted);
        }
        let long = SourcePath::new(format!("{}.MP4", "x".repeat(200))).unwrap();
        let kept = "x".repeat(LENGTH_MAX - 4) + ".MP4";
        assert_eq!(file_name(&long), kept);
        let foreign = SourcePath::new(&b"\xff\xfe.mp4"[..]).unwrap();
        assert_eq!(file_name(&foreign), "__.mp4");
    }
}
