//! A bay for sticks: what is docked there is no camera, and everything on it is imported.

use crate::config::Config;
use crate::dock::Target;
use crate::model::{BayName, Escaped, ImportFacts};

/// What stands in the log of a disk in such a bay: what the disk says of itself, and that no person said more. `None` for
/// cameras.
pub(super) fn declared(bay: &BayName, target: &Target, config: &Config) -> Option<ImportFacts> {
    let Target::Mounted { mounted, .. } = target else {
        return None;
    };
    let bays = &config.dock.bays;
    bays.iter()
        .find(|known| known.name == *bay && known.import)?;
    let device = &mounted.device;
    let shown = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("without any");
        let cut: String = text.chars().take(80).collect();
        Escaped(cut.as_bytes()).to_string()
    };
    let source = format!(
        "USB disk {}, product {}, serial {}",
        device.ids(),
        shown(&device.product_name),
        shown(&device.serial)
    );
    Some(ImportFacts {
        source,
        received_from: format!("nobody said: it was put into bay {bay}"),
        officer: None,
        incident: None,
        exhibit: None,
        derived: None,
        operator: None,
    })
}
