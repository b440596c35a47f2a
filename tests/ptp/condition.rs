use super::*;
use camdock::model::{ClockMethod, FileTimes};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

fn asked(device: &Device, profile: &Arc<Profile>) -> camdock::model::Condition {
    let mut camera = PtpCamera::open(Box::new(device.wire()), facts(), profile, pace()).unwrap();
    camera.condition()
}

fn local(zone: &TimeZone, off: SignedDuration) -> String {
    let time = zone.to_datetime(Timestamp::now().checked_add(off).unwrap());
    time.strftime("%Y%m%dT%H%M%S").to_string()
}

#[test]
fn battery_and_clock_are_read_beside_the_stations() {
    let zone = TimeZone::get("Europe/London").unwrap();
    let device = Device::new(Quirks::default());
    device.lock().battery = (0, 200, 50);
    let text = local(&zone, SignedDuration::from_secs(-125));
    device.lock().clock.clone_from(&text);
    let before = Timestamp::now();
    let condition = asked(&device, &profile(|p| p.time_zone = Some(zone.clone())));
    assert_eq!(condition.battery, Some(25));
    let clock = condition.clock.unwrap();
    assert_eq!(clock.method, ClockMethod::PtpDateTime);
    assert_eq!(clock.reads.as_deref(), Some(text.as_str()));
    assert_eq!(clock.time_zone.as_deref(), Some("Europe/London"));
    let ahead = clock.ahead_seconds.unwrap();
    assert!((-127..=-124).contains(&ahead), "{ahead}");
    assert!(clock.at >= before - SignedDuration::from_secs(1));
    assert_eq!((clock.set, condition.file_times), (None, None));
    assert_eq!(device.count(0x1016), 0, "a clock is not set unasked");
    assert_eq!(condition.device.unwrap().ids, "46f4:0004");
}

#[test]
fn a_clock_with_a_zone_of_its_own_needs_none() {
    let device = Device::new(Quirks::default());
    device.lock().clock = format!(
        "{}.0+0200",
        local(&TimeZone::fixed(jiff::tz::offset(2)), SignedDuration::ZERO)
    );
    let clock = asked(&device, &profile(|_| {})).clock.unwrap();
    assert_eq!(clock.time_zone.as_deref(), Some("+02"));
    assert!(clock.ahead_seconds.unwrap().abs() <= 2);
}

#[test]
fn a_clock_is_set_only_where_the_profile_says_so() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let setting = profile(|p| {
        p.set_clock = true;
        p.time_zone = Some(zone.clone());
    });
    let device = Device::new(Quirks::default());
    let clock = asked(&device, &setting).clock.unwrap();
    assert_eq!(clock.set, Some(true));
    // The reading before the clock was set.
    assert_eq!(clock.reads.as_deref(), Some("20260102T030405"));
    let now = device.lock().clock.clone();
    assert!(
        now == local(&zone, SignedDuration::ZERO)
            || now == local(&zone, SignedDuration::from_secs(-1)),
        "{now}"
    );
    // The clock is right, so it is left alone.
    assert_eq!(asked(&device, &setting).clock.unwrap().set, None);
    assert_eq!(device.count(0x1016), 1);
    let device = Device::new(Quirks::default()).without(&[0x1016]);
    assert_eq!(asked(&device, &setting).clock.unwrap().set, Some(false));
}

#[test]
fn without_battery_and_clock_the_files_times_are_the_bound() {
    let device = Device::new(Quirks::default());
    device.lock().properties.clear();
    let condition = asked(&device, &profile(|_| {}));
    assert_eq!((condition.battery, condition.clock), (None, None));
    assert_eq!(condition.file_times, Some(FileTimes::Utc));
    let zone = TimeZone::get("Europe/London").unwrap();
    let condition = asked(&device, &profile(|p| p.time_zone = Some(zone.clone())));
    assert_eq!(condition.file_times, Some(FileTimes::Local(zone)));
}

#[test]
fn nonsense_of_battery_and_clock_does_no_harm() {
    let device = Device::new(Quirks::default());
    for battery in [(100, 0, 50), (0, 0, 0), (50, 60, 10), (0, 255, 255)] {
        device.lock().battery = battery;
        let level = asked(&device, &profile(|_| {})).battery;
        assert!(level.is_none_or(|level| level <= 100), "{battery:?}");
    }
    for text in [
        "",
        "now",
        "20260102T030405Zzz",
        "99999999T999999",
        "2026é102T030405",
    ] {
        device.lock().clock = text.into();
        let clock = asked(&device, &profile(|_| {})).clock.unwrap();
        assert_eq!(clock.ahead_seconds, None, "{text}");
        assert_eq!(clock.reads.as_deref(), Some(text));
    }
    device.lock().clock = "\u{1b}[2J".into();
    let clock = asked(&device, &profile(|_| {})).clock.unwrap();
    assert_eq!(clock.reads.as_deref(), Some("\\u{1b}[2J"));
}
