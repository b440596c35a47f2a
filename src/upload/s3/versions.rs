//! Lists every version of the objects below a prefix, for checks whether a newer version covers an object.

use std::collections::HashSet;

use super::S3Store;
use super::calls::bad_answer;
use super::convert::length;
use crate::upload::{ListedVersion, UploadError};

const ACTION: &str = "list object versions";
/// A store may answer with nothing now and then; one that goes on so is given up.
const EMPTY_MAX: u32 = 100;

impl S3Store {
    /// Every version and delete marker below `prefix`, refusing to hold more than `limit`. [`s3:ListBucketVersions`]
    pub async fn list_versions(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<ListedVersion>, UploadError> {
        let mut all = Vec::new();
        let (mut key, mut version) = (None, None);
        let (mut asked, mut empty) = (HashSet::new(), 0);
        loop {
            let request = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_key_marker(key.clone())
                .set_version_id_marker(version.clone());
            let answer = self.call(ACTION, 0, request.send()).await?;
            let before = all.len();
            let stored = answer.versions.unwrap_or_default().into_iter();
            all.extend(stored.filter_map(|object| {
                Some(ListedVersion {
                    key: object.key?,
                    version_id: object.version_id,
                    size: Some(length(object.size)),
                    latest: object.is_latest.unwrap_or(false),
                })
            }));
            let markers = answer.delete_markers.unwrap_or_default().into_iter();
            all.extend(markers.filter_map(|marker| {
                Some(ListedVersion {
                    key: marker.key?,
                    version_id: marker.version_id,
                    size: None,
                    latest: marker.is_latest.unwrap_or(false),
                })
            }));
            if all.len() > limit {
                return Err(UploadError::Oversized {
                    key: prefix.to_owned(),
                    limit: limit as u64,
                });
            }
            if !answer.is_truncated.unwrap_or(false) {
                return Ok(all);
            }
            // What the store still has is unknown then, so such a list is none.
            empty += u32::from(all.len() == before);
            if empty > EMPTY_MAX {
                return Err(bad_answer(
                    ACTION,
                    "it lists nothing, and says there is more",
                ));
            }
            // Stores sort keys in their own way, and versions in any, so a page that was asked for before is the only proof
            // of a loop.
            let next = (answer.next_key_marker, answer.next_version_id_marker);
            if next == (None, None) || !asked.insert(next.clone()) {
                return Err(bad_answer(
                    ACTION,
                    "it names a page again that it gave before",
                ));
            }
            (key, version) = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::upload::StoreConfig;

    /// A store whose list of versions never ends: each answer is what `page` makes of its number. Returns what came of the
    /// listing, and how often the store was asked.
    async fn listed(
        page: impl Fn(u32) -> String + Send + 'static,
    ) -> (Result<Vec<ListedVersion>, UploadError>, u32) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                let body = format!(
                    "<ListVersionsResult><IsTruncated>true</IsTruncated>{}</ListVersionsResult>",
                    page(counted.fetch_add(1, Ordering::Relaxed))
                );
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nConnection: close";
                let length = body.len();
                write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            }
        });
        let mut config = StoreConfig::new("us-east-1", "evidence", "key", "secret");
        config.endpoint = Some(endpoint);
        config.path_style = true;
        let store = S3Store::new(&config).unwrap();
        let listing = store.list_versions("evidence/", 5000);
        let ended = tokio::time::timeout(Duration::from_mins(1), listing).await;
        (
            ended.expect("the listing ends"),
            asked.load(Ordering::Relaxed),
        )
    }

    fn markers(key: &str, version: &str) -> String {
        format!(
            "<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"
        )
    }

    #[tokio::test]
    async fn a_list_of_versions_that_goes_in_a_circle_is_no_list() {
        let (ended, asked) = listed(|n| markers("k", &format!("v{}", n % 2))).await;
        assert!(
            matches!(ended, Err(UploadError::BadAnswer { .. })),
            "{ended:?}"
        );
        assert_eq!(asked, 3);
        // Whatever a page in the circle lists.
        let version =
            "<Version><Key>evidence/a</Key><VersionId>1</VersionId><Size>1</Size></Version>";
        let (ended, asked) = listed(move |_| version.to_owned() + &markers("k", "v")).await;
        assert!(
            matches!(ended, Err(UploadError::BadAnswer { .. })),
            "{ended:?}"
        );
        assert_eq!(asked, 2);
        // Nor is one that says that there is more and not where.
        let (ended, asked) = listed(move |_| version.to_owned()).await;
        assert!(
            matches!(ended, Err(UploadError::BadAnswer { .. })),
            "{ended:?}"
        );
        assert_eq!(asked, 1);
    }

    #[tokio::test]
    async fn a_list_of_versions_that_goes_on_with_nothing_is_given_up() {
        let (ended, asked) = listed(|n| markers(&format!("k{n}"), "v")).await;
        assert!(
            matches!(ended, Err(UploadError::BadAnswer { .. })),
            "{ended:?}"
        );
        assert_eq!(asked, EMPTY_MAX + 1);
    }
}
