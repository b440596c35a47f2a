//! Identities of folder cameras.

use super::*;

#[test]
fn a_camera_says_who_it_is_by_marker_then_by_file_and_else_stays_unknown() {
    let place = Place::new();
    let id = || {
        place
            .camera()
            .identity()
            .id
            .as_ref()
            .map(ToString::to_string)
    };
    assert_eq!(id(), None);
    assert_eq!(place.camera().identity().label(), "unknown");
    place.put("camera.txt", b"serial=FROM-FILE\n");
    assert_eq!(id().as_deref(), Some("folder/FROM-FILE"));
    let marker = place.0.path().join("bay-1.camera");
    fs::write(&marker, r#"{"make":"acme","serial":"X8"}"#).unwrap();
    assert_eq!(id().as_deref(), Some("acme/X8"));
    // An unusable marker is ignored.
    for bad in [
        "",
        "junk",
        r#"{"make":"acme","serial":""}"#,
        r#"{"make":"a b","serial":"1"}"#,
        &"x".repeat(9000),
    ] {
        fs::write(&marker, bad).unwrap();
        assert_eq!(id().as_deref(), Some("folder/FROM-FILE"), "{bad:.20}");
    }
    // A link is neither a marker nor an identity file.
    fs::remove_file(&marker).unwrap();
    fs::write(
        place.0.path().join("other"),
        r#"{"make":"acme","serial":"X9"}"#,
    )
    .unwrap();
    symlink(place.0.path().join("other"), &marker).unwrap();
    fs::remove_file(place.root().join("camera.txt")).unwrap();
    symlink(
        place.0.path().join("other"),
        place.root().join("CAMERA.TXT"),
    )
    .unwrap();
    rustix::fs::mkfifoat(
        CWD,
        place.root().join("DEVICE.TXT"),
        Mode::from_raw_mode(0o600),
    )
    .unwrap();
    assert_eq!(id(), None);
}

#[test]
fn a_marker_chooses_the_profile_and_a_folders_name_counts_only_where_the_profile_says_so() {
    let place = Place::new();
    let dir = tempfile::tempdir().unwrap();
    let profile = "make = \"acme\"\nidentity = [\"folder_name\"]\nvideo = [\"*.xyz\"]";
    fs::write(dir.path().join("acme.toml"), profile).unwrap();
    let profiles = Profiles::load(dir.path()).unwrap();
    place.put("a.XYZ", b"x");
    let open = || FolderCamera::open(&place.root(), "folder", &profiles).unwrap();
    assert_eq!(open().identity().profile, "folder");
    assert_eq!(open().identity().id, None);
    let marker = place.0.path().join("bay-1.camera");
    fs::write(&marker, r#"{"make":"m","serial":"s","profile":"acme"}"#).unwrap();
    let mut camera = open();
    assert_eq!(camera.identity().profile, "acme");
    assert_eq!(
        camera.identity().id.as_ref().unwrap().as_str(),
        "acme/bay-1"
    );
    assert_eq!(
        Listing::of(&mut camera).files[&b"a.XYZ"[..]].kind,
        ItemKind::Video
    );
    fs::write(&marker, r#"{"make":"m","serial":"s","profile":"nosuch"}"#).unwrap();
    assert_eq!(open().identity().profile, "folder");
}
