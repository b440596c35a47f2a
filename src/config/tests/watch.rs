//! Edits of the configuration's files, as the station notices them.

use super::*;

#[tokio::test]
async fn edits_of_each_file_are_noticed_whichever_way_they_are_made() {
    let place = ConfigDir::new();
    let config = place.load(&good("", "")).unwrap().config;
    let (watch, mut changes) = watch(&config);
    let mut expect = async |expected: Changed| {
        let changed = tokio::time::timeout(Duration::from_secs(20), changes.recv()).await;
        assert_eq!(changed.unwrap(), Some(expected));
    };
    let none = Changed::default();
    let write = |name: &str| place.write(name, "x");
    write("roster.toml");
    expect(Changed {
        roster: true,
        ..none
    })
    .await;
    // As editors do it.
    fs::rename(write("roster.new"), place.at("roster.toml")).unwrap();
    expect(Changed {
        roster: true,
        ..none
    })
    .await;
    write("profiles/acme.toml");
    expect(Changed {
        profiles: true,
        ..none
    })
    .await;
    fs::remove_file(place.at("profiles/acme.toml")).unwrap();
    expect(Changed {
        profiles: true,
        ..none
    })
    .await;
    write("camdock.toml");
    expect(Changed {
        config: true,
        ..none
    })
    .await;
    write("unrelated.txt");
    watch.stop().await;
    assert_eq!(changes.recv().await, None);
}
