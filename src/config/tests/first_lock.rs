use super::*;
use crate::config::FirstLockSettings;

#[test]
fn the_first_lock_has_a_floor_that_gives_way_to_shorter_locks_only_by_default() {
    let dir = ConfigDir::new();
    let first_lock = |store: &str, given: &str| {
        let mut text = good("store", "retention_days = 1").replace("retention_days = 1", store);
        text.push_str("\n[retention]\n");
        text.push_str(given);
        let path = dir.write("camdock.toml", text);
        Config::load(&path).map(|loaded| loaded.config.first_lock)
    };
    let settings = |days, flagged_days, at_least_days| {
        Some(FirstLockSettings {
            days,
            flagged_days,
            at_least_days,
        })
    };
    assert_eq!(
        first_lock("retention_days = 31", "").unwrap(),
        settings(31, 31, 7)
    );
    assert_eq!(
        first_lock("retention_days = 3", "flagged_days = 90").unwrap(),
        settings(3, 90, 3)
    );
    assert_eq!(
        first_lock(
            "retention_days = 31",
            "flagged_days = 90\nat_least_days = 31"
        )
        .unwrap(),
        settings(31, 90, 31)
    );
    assert_eq!(
        first_lock("retention = \"none\"\nretention_days = 0", "").unwrap(),
        None
    );
    for (store, given, says) in [
        ("retention_days = 31", "at_least_days = 32", "at_least_days"),
        ("retention_days = 31", "at_least_days = 0", "at_least_days"),
        (
            "retention_days = 31",
            "flagged_days = 6\nat_least_days = 7",
            "at_least_days",
        ),
        (
            "retention_days = 31",
            "flagged_days = 36501",
            "flagged_days",
        ),
        (
            "retention = \"none\"\nretention_days = 0",
            "flagged_days = 9",
            "flagged_days",
        ),
    ] {
        let error = first_lock(store, given).unwrap_err().to_string();
        assert!(error.contains(says), "{given}: {error}");
    }
}
