//! Stages one and two: the values in the file, and the same values with defaults for the rest.
//!
//! Each key stands here once, with its type and default; `config/camdock.toml` documents the same, and a test compares both.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::settings::{AcceptUnknown, LogFormat, PreviewVideo, RetentionMode, Role};

/// A value with its position in the file; `at` is `None` for a default.
#[derive(Debug, Clone)]
pub(super) struct Setting<T> {
    pub value: T,
    pub at: Option<Range<usize>>,
}

impl<T> Setting<T> {
    pub(super) fn new(given: Option<Spanned<T>>, default: impl FnOnce() -> T) -> Self {
        match given {
            Some(spanned) => Self {
                at: Some(spanned.span()),
                value: spanned.into_inner(),
            },
            None => Self {
                value: default(),
                at: None,
            },
        }
    }
}

macro_rules! section {
    ($raw:ident => $merged:ident { $($key:ident: $type:ty = $default:expr,)* }) => {
        // The fields are keys of a file.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(clippy::struct_field_names)]
        pub(in crate::config) struct $raw {
            $($key: Option<Spanned<$type>>,)*
        }

        #[derive(Debug)]
        #[allow(clippy::struct_field_names)]
        pub(in crate::config) struct $merged {
            $(pub $key: Setting<$type>,)*
        }

        impl $raw {
            pub(super) fn merge(self) -> $merged {
                $merged { $($key: Setting::new(self.$key, || $default),)* }
            }
        }

        impl $merged {
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }
    };
}

mod roles;

pub(super) use roles::{
    DisposerMerged, KeyDeskMerged, RawDisposerConfig, RawKeyDeskConfig, RawShareReaderConfig,
    ShareReaderMerged, disposer_keys, key_desk_keys, share_reader_keys,
};

// An empty string or list stands for "not given"; validation says which of them are essential.
section!(RawStation => StationSection {
    name: String = String::new(),
    state_dir: String = "/var/lib/camdock".into(),
    runtime_dir: String = "/run/camdock".into(),
    log_origin: String = String::new(),
    time_zone: String = String::new(),
});
section!(RawDock => DockSection {
    folders: Vec<Spanned<RawFolder>> = Vec::new(),
    usb: bool = true,
    bays: Vec<Spanned<RawBay>> = Vec::new(),
    settle_seconds: f64 = 2.0,
    scan_interval_seconds: f64 = 2.0,
});
section!(RawImport => ImportSection {
    folders: Vec<Spanned<RawDropFolder>> = Vec::new(),
});
section!(RawSeal => SealSection {
    recipients: Vec<Spanned<String>> = Vec::new(),
    frame_length: u32 = 524_288,
});
section!(RawSpool => SpoolSection {
    dir: String = String::new(),
    reserve_bytes: u64 = 2 << 30,
    keep_hours: u32 = 0,
});
section!(RawStore => StoreSection {
    endpoint: String = String::new(),
    region: String = "us-east-1".into(),
    bucket: String = String::new(),
    prefix: String = String::new(),
    path_style: bool = true,
    ca_file: String = String::new(),
    retention: RetentionMode = RetentionMode::Compliance,
    retention_days: u32 = 0,
    credentials_file: String = String::new(),
    answer_seconds: u32 = 60,
    verify_credentials_file: String = String::new(),
});
section!(RawFirstLock => FirstLockSection {
    flagged_days: u32 = 0,
    at_least_days: u32 = 7,
});
section!(RawUpload => UploadSection {
    parts_in_flight: u32 = 4,
    part_size: u64 = 8 << 20,
    pace: Vec<Spanned<RawPace>> = Vec::new(),
});
section!(RawIngest => IngestSection {
    parallel_cameras: u32 = 0,
    accept_unknown: AcceptUnknown = AcceptUnknown::Quarantine,
    max_files: u64 = 1_000_000,
    earliest_year: i16 = 2015,
});
section!(RawPreview => PreviewSection {
    enabled: bool = true,
    video: PreviewVideo = PreviewVideo::Needed,
    above_megabits: u32 = 12,
    workers: u32 = 1,
    height: u32 = 360,
    memory_mib: u32 = 512,
    cpu_minutes: u32 = 240,
    hold_hours: u32 = 24,
});
section!(RawWeb => WebSection {
    listen: String = "127.0.0.1:8480".into(),
    tls_certificate: String = String::new(),
    tls_key: String = String::new(),
    language: String = "en".into(),
    tokens: Vec<Spanned<RawToken>> = Vec::new(),
    tagging: bool = false,
    tag_categories: Vec<Spanned<String>> = Vec::new(),
    incident_pattern: String = String::new(),
});
section!(RawMetrics => MetricsSection {
    listen: String = "127.0.0.1:9480".into(),
});
section!(RawWitnesses => WitnessesSection {
    policy_file: String = String::new(),
    ca_file: String = String::new(),
    before_safe: bool = false,
    every_seconds: f64 = 2.0,
    answer_seconds: u32 = 10,
});
section!(RawLog => LogSection {
    format: LogFormat = LogFormat::Auto,
    level: String = "info".into(),
});

section!(RawOffice => OfficeSection {
    name: String = String::new(),
    state_dir: String = "/var/lib/camdock-office".into(),
    follow_seconds: u32 = 30,
    earlier: Vec<Spanned<RawEarlierOffice>> = Vec::new(),
});
section!(RawViews => ViewsSection {
    keys: Vec<Spanned<String>> = Vec::new(),
});
section!(RawTrustedOffice => TrustedOfficeSection {
    name: String = String::new(),
    log_key: String = String::new(),
    earlier: Vec<Spanned<RawEarlierOffice>> = Vec::new(),
});
section!(RawWitness => WitnessSection {
    name: String = String::new(),
    listen: String = "127.0.0.1:8485".into(),
});
section!(RawPages => PagesSection {
    listen: String = String::new(),
    tls_certificate: String = String::new(),
    tls_key: String = String::new(),
    language: String = "en".into(),
    tokens: Vec<Spanned<RawToken>> = Vec::new(),
});
section!(RawPeople => PeopleSection {
    issuer: String = String::new(),
    client_id: String = String::new(),
    client_secret_file: String = "people-client-secret".into(),
    address: String = String::new(),
    ca_file: String = String::new(),
    name_claim: String = "preferred_username".into(),
    groups_claim: String = "groups".into(),
    session_hours: u32 = 8,
    roles: Vec<Spanned<RawGroupRole>> = Vec::new(),
    units: Vec<Spanned<RawUnit>> = Vec::new(),
});
section!(RawShare => ShareSection {
    address: String = String::new(),
});
section!(RawReconcile => ReconcileSection {
    list_seconds: u32 = 1800,
    sweep_days: u32 = 30,
});
section!(RawKeeping => KeepingSection {
    lock_ahead_days: u32 = 400,
    unclassified: String = String::new(),
    flagged: String = String::new(),
});
section!(RawTags => TagsSection {
    incident_pattern: String = String::new(),
    badge_column: String = "badge".into(),
    start_column: String = "start".into(),
    end_column: String = "end".into(),
    incident_column: String = "incident".into(),
    category_column: String = "category".into(),
    time_zone: String = String::new(),
    time_format: String = String::new(),
});
section!(RawReport => ReportSection {
    minutes_per_recording: f64 = 0.0,
    hour_price: f64 = 0.0,
    recordings_per_disc: u32 = 0,
    disc_price: f64 = 0.0,
    currency: String = "GBP".into(),
    store_terabytes: f64 = 0.0,
});
section!(RawOfficeMetrics => OfficeMetricsSection {
    listen: String = "127.0.0.1:9485".into(),
});

/// `office.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOfficeConfig {
    #[serde(default)]
    office: RawOffice,
    #[serde(default)]
    witness: RawWitness,
    #[serde(default)]
    reconcile: RawReconcile,
    #[serde(default)]
    retention: RawKeeping,
    #[serde(default)]
    class: BTreeMap<String, Spanned<RawClass>>,
    #[serde(default)]
    tags: RawTags,
    #[serde(default)]
    pages: RawPages,
    #[serde(default)]
    people: RawPeople,
    #[serde(default)]
    share: RawShare,
    #[serde(default)]
    store: RawStore,
    #[serde(default)]
    metrics: RawOfficeMetrics,
    #[serde(default)]
    report: RawReport,
    #[serde(default)]
    log: RawLog,
    #[serde(default)]
    stations: Vec<Spanned<RawFollowed>>,
}

pub(super) fn office_keys() -> Vec<(&'static str, &'static str)> {
    let sections = [
        ("office", OfficeSection::KEYS),
        ("witness", WitnessSection::KEYS),
        ("reconcile", ReconcileSection::KEYS),
        ("retention", KeepingSection::KEYS),
        ("tags", TagsSection::KEYS),
        ("pages", PagesSection::KEYS),
        ("people", PeopleSection::KEYS),
        ("share", ShareSection::KEYS),
        ("store", StoreSection::KEYS),
        ("report", ReportSection::KEYS),
        ("metrics", OfficeMetricsSection::KEYS),
        ("log", LogSection::KEYS),
    ];
    let keys = sections
        .into_iter()
        .map(|(section, keys)| keys.iter().map(move |key| (section, *key)));
    keys.flatten().collect()
}

/// A station that the office follows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFollowed {
    pub name: String,
    pub log_key: String,
    #[serde(default = "silent_hours")]
    pub silent_hours: u32,
}

/// A rule of retention, by its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClass {
    pub days: u32,
    #[serde(default = "reviewed")]
    pub review: bool,
}

const fn reviewed() -> bool {
    true
}

const fn silent_hours() -> u32 {
    48
}

#[derive(Debug)]
pub(super) struct OfficeMerged {
    pub office: OfficeSection,
    pub witness: WitnessSection,
    pub reconcile: ReconcileSection,
    pub retention: KeepingSection,
    pub classes: BTreeMap<String, Spanned<RawClass>>,
    pub tags: TagsSection,
    pub pages: PagesSection,
    pub people: PeopleSection,
    pub share: ShareSection,
    pub store: StoreSection,
    pub metrics: OfficeMetricsSection,
    pub report: ReportSection,
    pub log: LogSection,
    pub stations: Vec<Spanned<RawFollowed>>,
}

impl RawOfficeConfig {
    pub fn merge(self) -> OfficeMerged {
        OfficeMerged {
            office: self.office.merge(),
            witness: self.witness.merge(),
            reconcile: self.reconcile.merge(),
            retention: self.retention.merge(),
            classes: self.class,
            tags: self.tags.merge(),
            pages: self.pages.merge(),
            people: self.people.merge(),
            share: self.share.merge(),
            store: self.store.merge(),
            metrics: self.metrics.merge(),
            report: self.report.merge(),
            log: self.log.merge(),
            stations: self.stations,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFolder {
    pub path: String,
    #[serde(default = "folder_profile")]
    pub profile: String,
}

fn folder_profile() -> String {
    super::profiles::GENERIC.into()
}

/// A folder that another program drops evidence into.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDropFolder {
    pub path: String,
    pub source: String,
    pub received_from: String,
    pub officer: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBay {
    pub name: String,
    pub ports: Vec<String>,
    #[serde(default)]
    pub import: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPace {
    pub from: String,
    pub to: String,
    pub megabits_per_second: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    pub name: String,
    pub role: Role,
    pub sha256: String,
    pub stations: Option<Vec<String>>,
}

/// The role that members of a group have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroupRole {
    pub group: String,
    pub role: Role,
}

/// An office from which another one took over, and how much of its log counts; all of it if that is not said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEarlierOffice {
    pub name: String,
    pub log_key: String,
    pub entries: Option<u64>,
}

/// The stations that members of a group see; all of them if it names none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnit {
    pub group: String,
    pub stations: Option<Vec<String>>,
}

macro_rules! sections {
    ($($name:ident: $raw:ident => $merged:ident),* $(,)?) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct RawConfig {
            $(#[serde(default)] $name: $raw,)*
        }

        #[derive(Debug)]
        pub(super) struct Merged {
            $(pub $name: $merged,)*
        }

        impl RawConfig {
            pub fn merge(self) -> Merged {
                Merged { $($name: self.$name.merge(),)* }
            }
        }

        pub(super) fn known_keys() -> Vec<(&'static str, &'static str)> {
            let mut keys = Vec::new();
            $(keys.extend($merged::KEYS.iter().map(|key| (stringify!($name), *key)));)*
            keys
        }
    };
}

sections!(
    station: RawStation => StationSection,
    dock: RawDock => DockSection,
    import: RawImport => ImportSection,
    seal: RawSeal => SealSection,
    spool: RawSpool => SpoolSection,
    store: RawStore => StoreSection,
    retention: RawFirstLock => FirstLockSection,
    upload: RawUpload => UploadSection,
    ingest: RawIngest => IngestSection,
    preview: RawPreview => PreviewSection,
    web: RawWeb => WebSection,
    witness: RawWitnesses => WitnessesSection,
    office: RawTrustedOffice => TrustedOfficeSection,
    views: RawViews => ViewsSection,
    metrics: RawMetrics => MetricsSection,
    log: RawLog => LogSection,
);
