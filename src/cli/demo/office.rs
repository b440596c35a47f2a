//! The evidence office of a demo, on the same machine and bucket as its station.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::DemoPages;
use super::service::Service;
use crate::config::{KeyDeskConfig, OfficeConfig};
use crate::durable;
use crate::office;
use crate::web::hash_of;

/// The office looks at the log each second and lists the bucket as often.
const LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(200);

pub struct RunningOffice {
    service: Service,
    config: OfficeConfig,
}

/// Writes the configuration of an office that follows the station, and makes its keys; and that of its key desk. `store`: the lines of a [store] section.
/// Here all roles use one identity of the store; in earnest each has its own, with the rights of its policy in config/.
pub fn configure(
    path: &Path,
    key_desk: &Path,
    station_key: &str,
    store: &str,
    pages: Option<&DemoPages>,
) -> anyhow::Result<()> {
    let pages = pages.map_or_else(String::new, |pages| {
        format!(
            "[pages]\nlisten = \"{}\"\ntokens = [{{ name = \"demo\", role = \"evidence\", sha256 = \"{}\" }}]\n",
            pages.office,
            hash_of(&pages.token)
        )
    });
    let text = format!(
        "[office]\nname = \"demo-office\"\nstate_dir = \"office\"\nfollow_seconds = 1\n[reconcile]\nlist_seconds = 1\n\
         {pages}[store]\n{store}[[stations]]\nname = \"demo\"\nlog_key = \"{station_key}\"\n"
    );
    durable::write_unsynced(path, text.as_bytes())?;
    let (config, _) = OfficeConfig::load(path)?;
    office::make_keys(&config)?;
    let text = format!(
        "[keydesk]\noffice = \"{}\"\noffice_log_key = \"{}\"\nstate_dir = \"keydesk\"\nrecipient_key_file = \"keys/evidence-1.key.pem\"\n\
         [store]\n{store}",
        config.name,
        office::log_verifier(&config)?
    );
    durable::write_unsynced(key_desk, text.as_bytes())?;
    KeyDeskConfig::load(key_desk)?;
    Ok(())
}

/// Seals item keys to people until it is dropped.
pub fn start_key_desk(program: &Path, config: &Path, dir: &Path) -> anyhow::Result<Service> {
    Service::start(
        program,
        config,
        &["office", "keydesk", "run"],
        dir,
        "keydesk",
    )
}

impl RunningOffice {
    pub fn start(program: &Path, config: &Path, dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            service: Service::start(program, config, &["office", "run"], dir, "office")?,
            config: OfficeConfig::load(config)?.0,
        })
    }

    /// Waits until the station's log is cosigned, all of these items are in the index, and a listing made after that found
    /// everything in the bucket.
    pub async fn until_compared(&mut self, items: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut listed_before = None;
        loop {
            self.service.still_runs()?;
            let standings = office::standings(&self.config)?;
            let cosigned = standings.iter().all(|(_, standing)| {
                let standing = standing.as_ref();
                standing.is_some_and(|s| s.cosigned_entries > 0 && s.code.is_none())
            });
            let rows = office::station_rows(&self.config, 0)?;
            let row = rows.into_iter().flatten().next().map(|(row, _)| row);
            if let Some(row) = row.filter(|row| cosigned && row.items == items) {
                let before = listed_before.get_or_insert(row.listed_from);
                if row.listed_from != *before && !row.needs_somebody() {
                    return Ok(());
                }
            }
            if began.elapsed() > LIMIT {
                bail!(
                    "the office does not find everything in the bucket; see `camdock office status`"
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the office ends although nobody stopped it.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.service.ended().await
    }
}
