use super::{
    Code,
    Person::{EvidenceManager, Operations},
    code,
};

const RETRIED: &str =
    "Nothing to do: the station tries again automatically. If the problem stays, check the store.";

pub(super) const CODES: &[Code] = &[
    code(
        "cancelled",
        Operations,
        "An upload was stopped.",
        "Nothing to do: the upload resumes automatically.",
    ),
    code(
        "store_bad_answer",
        Operations,
        "The store sent an invalid answer.",
        RETRIED,
    ),
    code(
        "store_busy",
        Operations,
        "The store asks for fewer requests.",
        RETRIED,
    ),
    code(
        "store_checksum_refused",
        Operations,
        "The store received different bytes than the station sent.",
        RETRIED,
    ),
    code(
        "store_clock_skew",
        Operations,
        "The clocks of the station and the store differ too much.",
        "Synchronise both clocks.",
    ),
    code(
        "store_conflict_unknown",
        Operations,
        "The store says that an object exists but does not show which one.",
        "Allow the station to read its own objects' metadata.",
    ),
    code(
        "store_content_differs",
        EvidenceManager,
        "The store holds different content under this item's name.",
        "Call the evidence manager and keep the spool file. Nothing is overwritten.",
    ),
    code(
        "store_credentials",
        Operations,
        "The store does not accept the credentials.",
        "Correct the store's keys, then restart the service.",
    ),
    code("store_failure", Operations, "The store failed.", RETRIED),
    code(
        "store_forbidden",
        Operations,
        "The store does not allow what the station needs.",
        "Give the credentials the permissions in config/station-policy.json.",
    ),
    code(
        "store_no_bucket",
        Operations,
        "The bucket does not exist.",
        "Create the bucket with Object Lock, or correct `bucket` in [store].",
    ),
    code(
        "store_no_object_lock",
        Operations,
        "The bucket has no Object Lock.",
        "Create a new bucket with Object Lock.",
    ),
    code(
        "store_not_locked",
        EvidenceManager,
        "The store does not lock objects as it is asked to.",
        "Use a store with Object Lock: `camdock check --store` tries it. Then restart the service.",
    ),
    code(
        "store_oversized",
        Operations,
        "The store sent more data than was requested.",
        RETRIED,
    ),
    code(
        "store_racing",
        Operations,
        "Another client is writing the same object.",
        RETRIED,
    ),
    code(
        "store_refused",
        Operations,
        "The store refused a request.",
        "Read the store's own logs for the reason.",
    ),
    code(
        "store_setup",
        Operations,
        "The store's client cannot be set up.",
        "Correct the configuration, then run `camdock check`.",
    ),
    code(
        "store_timeout",
        Operations,
        "The store did not answer in time.",
        RETRIED,
    ),
    code(
        "store_tls",
        Operations,
        "The store's certificate is not trusted.",
        "Name its certificate authority as `ca_file` in [store].",
    ),
    code(
        "store_unconfirmed",
        Operations,
        "The store confirms neither the SHA-256 checksum nor the MD5.",
        "Use a store that names one of them, then restart the service.",
    ),
    code(
        "store_unreachable",
        Operations,
        "The store cannot be reached.",
        "Check the network and the store's endpoint. Uploads resume automatically.",
    ),
    code(
        "store_upload_lost",
        Operations,
        "The store no longer knows an unfinished multipart upload.",
        "Nothing to do: the upload starts again automatically.",
    ),
    code(
        "store_wrong_region",
        Operations,
        "The bucket is in another region.",
        "Correct `region` in [store].",
    ),
    code(
        "upload_ledger",
        Operations,
        "The progress of an upload cannot be saved.",
        "Check the disk and the permissions of the state folder, then restart the service.",
    ),
    code(
        "upload_left_behind",
        Operations,
        "An unfinished upload remains in the store.",
        "Give the bucket a lifecycle rule that ends incomplete uploads.",
    ),
];
