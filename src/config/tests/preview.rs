use super::*;

#[test]
fn previews_videos_are_needed_always_or_never_made() {
    let place = ConfigDir::new();
    let loaded = |lines: &str| place.load(&format!("{}\n[preview]\n{lines}", good("", "")));
    let preview = loaded("").unwrap().config.preview;
    assert_eq!(
        (preview.video, preview.above_bits),
        (PreviewVideo::Needed, 12_000_000)
    );
    let preview = loaded("video = \"never\"\nabove_megabits = 4");
    let preview = preview.unwrap().config.preview;
    assert_eq!(
        (preview.video, preview.above_bits),
        (PreviewVideo::Never, 4_000_000)
    );
    for (wrong, said) in [
        ("video = \"sometimes\"", "known here: needed, always, never"),
        ("above_megabits = 0", "Use 1 to 1000 megabits"),
        ("above_megabits = 1001", "Use 1 to 1000 megabits"),
    ] {
        let error = loaded(wrong).unwrap_err();
        let told = format!("{error} {}", error.next_step());
        assert!(told.contains(said), "{told}");
    }
}
