//! Uploads as a station makes them, and the same bucket seen without our code.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ObjectLockRetention, ObjectVersion};
use bytes::Bytes;
use camdock::upload::{
    LockMode, Pacer, PartMemory, RetentionPolicy, Store, StoreConfig, StoredObject, Upload,
    UploadError, put_small_once,
};
use tokio::sync::watch;

use crate::support::{MemoryLedger, SeededSource};

pub const BUCKET: &str = "evidence";
pub const PART: u64 = 5 << 20;
const LOCKED: RetentionPolicy = RetentionPolicy {
    mode: LockMode::Compliance,
    days: 2,
};

pub async fn small(store: &dyn Store, key: &str, text: &str) -> Result<StoredObject, UploadError> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    put_small_once(store, key, bytes, Some(LOCKED)).await
}

pub async fn upload(
    store: &dyn Store,
    key: &str,
    made: &SeededSource,
    ledger: &mut MemoryLedger,
) -> Result<StoredObject, UploadError> {
    let (_keep, cancel) = watch::channel(false);
    Upload {
        store,
        key,
        retention: Some(LOCKED.from(jiff::Timestamp::now())),
        pacer: &Pacer::unlimited(),
        part_size: PART,
        parts_at_once: 2,
        memory: &PartMemory::new(2 * PART),
        progress: &|_| (),
        cancel,
    }
    .run(made.boxed(), ledger)
    .await
}

/// The SDK's own client with the same keys.
pub fn client(config: &StoreConfig) -> Client {
    use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
    let keys = Credentials::new(
        config.access_key.as_str(),
        config.secret_key.as_str(),
        None,
        None,
        "test",
    );
    Client::from_conf(
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(keys)
            .endpoint_url(config.endpoint.clone().unwrap())
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    )
}

pub async fn versions(client: &Client, key: &str) -> Vec<ObjectVersion> {
    let listed = client.list_object_versions().bucket(BUCKET).prefix(key);
    listed.send().await.unwrap().versions.unwrap_or_default()
}

/// Mode and end of an object's lock, asked as the one who wrote it: Ceph answers nobody else. moto tells it only in the answer
/// to HEAD.
pub async fn seen_lock(client: &Client, key: &str) -> (String, i64) {
    if let Some(lock) = lock(client, key).await {
        let until = lock.retain_until_date.unwrap().secs();
        return (lock.mode.unwrap().as_str().to_owned(), until);
    }
    let asked = client.head_object().bucket(BUCKET).key(key);
    let head = asked.send().await.unwrap();
    let until = head.object_lock_retain_until_date.unwrap().secs();
    (head.object_lock_mode.unwrap().as_str().to_owned(), until)
}

pub async fn lock(client: &Client, key: &str) -> Option<ObjectLockRetention> {
    let asked = client.get_object_retention().bucket(BUCKET).key(key);
    asked.send().await.ok()?.retention
}
