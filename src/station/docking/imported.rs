//! A bay for sticks and discs: what is docked there is no camera, and everything on it is imported. In any other bay a disc
//! is refused: nobody said whose it is.

use crate::config::Config;
use crate::dock::Target;
use crate::model::{BayName, Escaped, ImportFacts, Mounted};

/// What stands in the log of a disk or disc in such a bay: what it says of itself, and that no person said more. `None` for
/// cameras.
pub(super) fn declared(bay: &BayName, target: &Target, config: &Config) -> Option<ImportFacts> {
    let Target::Mounted { mounted, .. } = target else {
        return None;
    };
    let bays = &config.dock.bays;
    bays.iter()
        .find(|known| known.name == *bay && known.import)?;
    Some(ImportFacts {
        source: source(mounted),
        received_from: format!("nobody said: it was put into bay {bay}"),
        officer: None,
        incident: None,
        exhibit: None,
        derived: None,
        operator: None,
    })
}

/// Names a stick by its serial. A drive's serial says nothing of its discs: these are named by what they begin with.
fn source(mounted: &Mounted) -> String {
    let shown = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("without any");
        let cut: String = text.chars().take(80).collect();
        Escaped(cut.as_bytes()).to_string()
    };
    if let Some((disc, kind)) = mounted.disc() {
        let label = shown(&disc.label);
        let start = disc.start;
        return format!("disc, label {label}, {kind}, SHA-256 of its first MiB {start}");
    }
    let device = &mounted.device;
    let what = if mounted.is_drive() {
        "unreadable disc in USB drive"
    } else {
        "USB disk"
    };
    format!(
        "{what} {}, product {}, serial {}",
        device.ids(),
        shown(&device.product_name),
        shown(&device.serial)
    )
}

/// Why a disc is not read in this bay, and what to do; `None`: it is none, or is imported.
pub(super) fn refused(target: &Target) -> Option<(String, String)> {
    let Target::Mounted { mounted, .. } = target else {
        return None;
    };
    mounted.is_drive().then(|| {
        (
            "there is a disc in it, and this bay is for cameras".into(),
            "Put the disc into the drive of a bay for imports. Operations makes a bay one by `import = true` in [dock] bays, or imports the disc by `camdock import`."
                .into(),
        )
    })
}
