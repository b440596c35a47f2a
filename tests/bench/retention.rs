//! Makes what the office is to keep longer and what the disposer is to delete. `make bench` runs it beside the programs that it measures.
//!
//! `retention make --items N --endpoint URL --access KEY --secret KEY --dir D`: puts the objects of N items of each of two stations into the
//! bucket `evidence`, and the stations' logs, which D has, too.
//! `retention approve --dir D --office STATE`: enters in the log of an office that does not run, which STATE has, that two people decided to delete the
//! items of the second station, days ago.
//! Each prints one JSON object.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use camdock::audit::{Log, LogKey, log_files};
use camdock::model::{EvidenceId, SessionId};
use camdock::upload::{Body, S3Store, Store as _, StoreConfig};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What stays by its class, and what is over its days.
const STATIONS: [&str; 2] = ["kept", "over"];
const OFFICE: &str = "bench-office";
const OBJECTS: [&str; 3] = ["item-key", "original", "receipt"];
const AT_ONCE: usize = 16;
const BATCH: usize = 1000;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Taken in and decided so many days ago.
const SEALED: i32 = 40;
const DECIDED: i32 = 3;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Done<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| -> Done<String> {
        let value = arguments.iter().skip_while(|a| *a != name).nth(1);
        Ok(value.ok_or_else(|| format!("{name} is missing"))?.clone())
    };
    let dir = option("--dir")?;
    let dir = Path::new(&dir);
    let told = match arguments.first().map(String::as_str) {
        Some("make") => {
            let (access, secret) = (option("--access")?, option("--secret")?);
            let mut config = StoreConfig::new("us-east-1", "evidence", &access, &secret);
            config.endpoint = Some(option("--endpoint")?);
            config.path_style = true;
            let store = Arc::new(S3Store::new(&config)?);
            let items = option("--items")?.parse()?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let mut keys = BTreeMap::new();
            for station in STATIONS {
                keys.insert(
                    station,
                    runtime.block_on(make(&store, station, items, dir))?,
                );
            }
            json!(keys)
        }
        Some("approve") => approve(dir, Path::new(&option("--office")?))?,
        _ => return Err("say `make` or `approve`".into()),
    };
    println!("{told}");
    Ok(())
}

fn days_ago(days: i32) -> Done<Timestamp> {
    let at = Timestamp::now().checked_sub(DAY * days)?;
    Ok(at.round(Unit::Millisecond)?)
}

/// Returns the public key of the station's log.
async fn make(store: &Arc<S3Store>, station: &'static str, items: u64, dir: &Path) -> Done<String> {
    let (key, _) = LogKey::generate()?;
    let origin = format!("camdock/{station}");
    let verifier = key.verifier(&origin)?.to_string();
    let folder = dir.join(station);
    let mut log = Log::open(&folder, key, &origin)?;
    let (zeros, session, at) = ("0".repeat(64), SessionId::new(), days_ago(SEALED)?);
    let (mut ids, mut batch, mut puts) = (String::new(), Vec::new(), JoinSet::new());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    for number in 0..items {
        let id = EvidenceId::new();
        let flagged = station == STATIONS[0];
        let sealed = format!(
            r#"{{"data":{{"bay":"1","camera":"acme/X{number}","evidence":"{id}","flagged":{flagged},"frame_length":65536,"kind":"video","message_id":"{zeros}","officer":"{number}","path":"DCIM/A{number:07}.MP4","sealed_size":101,"sha256":"{zeros}","size":1}},"event":"item.sealed","session":"{session}","station":"{station}","time":"{at}","v":1}}"#
        );
        let stored = format!(
            r#"{{"data":{{"bucket":"evidence","checksum":"c","evidence":"{id}","key":"evidence/{station}/{id}/original","size":101}},"event":"item.stored","station":"{station}","time":"{at}","v":1}}"#
        );
        let permit = Arc::clone(&room).acquire_owned().await?;
        let (store, manifest) = (Arc::clone(store), sealed.clone());
        puts.spawn(async move {
            let _permit = permit;
            let key = |name: &str| format!("evidence/{station}/{id}/{name}");
            for name in OBJECTS {
                store.put(&key(name), Body::new(vec![0; 101])).await?;
            }
            store.put(&key("manifest.json"), Body::new(manifest)).await
        });
        while let Some(put) = puts.try_join_next() {
            put??;
        }
        ids += &format!("{id}\n");
        batch.extend([sealed.into_bytes(), stored.into_bytes()]);
        if batch.len() >= BATCH {
            log.append(&std::mem::take(&mut batch))?;
        }
    }
    log.append(&batch)?;
    while let Some(put) = puts.join_next().await {
        put??;
    }
    for name in log_files(log.size()) {
        let bytes = fs::read(folder.join(&name))?;
        store
            .put(&format!("log/{station}/{name}"), Body::new(bytes))
            .await?;
    }
    let note = Body::new(log.note().to_owned());
    store
        .put(&format!("log/{station}/checkpoint"), note)
        .await?;
    log.close()?;
    fs::write(dir.join(format!("{station}.ids")), format!("{at}\n{ids}"))?;
    Ok(verifier)
}

fn approve(dir: &Path, office: &Path) -> Done<Value> {
    let key = LogKey::from_pkcs8(&fs::read(office.join("keys/office-log.key"))?)?;
    let mut log = Log::open(&office.join("log"), key, &format!("camdock/{OFFICE}"))?;
    let station = STATIONS[1];
    let text = fs::read_to_string(dir.join(format!("{station}.ids")))?;
    let mut lines = text.lines();
    let sealed = lines.next().ok_or("no items were made")?;
    let (zeros, at) = ("0".repeat(64), days_ago(DECIDED)?);
    let (first, mut index) = (log.size(), log.size());
    let mut batch = Vec::new();
    for id in lines {
        let proposed = format!(
            r#"{{"data":{{"class":"month","days":31,"evidence":"{id}","log":"{station}","operator":"A. Adams","peer":"bench","reason_sha256":"{zeros}","sealed":"{sealed}"}},"event":"disposal.proposed","station":"{OFFICE}","time":"{at}","v":1}}"#
        );
        let approved = format!(
            r#"{{"data":{{"evidence":"{id}","log":"{station}","operator":"B. Brown","peer":"bench","proposal":{{"index":{index},"log":"{OFFICE}"}},"reason_sha256":"{zeros}"}},"event":"disposal.approved","station":"{OFFICE}","time":"{at}","v":1}}"#
        );
        batch.extend([proposed.into_bytes(), approved.into_bytes()]);
        index += 2;
        if batch.len() >= BATCH {
            log.append(&std::mem::take(&mut batch))?;
        }
    }
    log.append(&batch)?;
    log.close()?;
    Ok(json!({"first": first, "size": index, "seen": at}))
}
