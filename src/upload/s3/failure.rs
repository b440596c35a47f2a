use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::upload::{BoxError, UploadError};

/// Beyond it S3 refuses a signature (15 minutes); a refused signature with half of it is put down to the clock.
const SUSPICIOUS_SKEW: u64 = 450;
/// People are shown at most this much of what a store says.
const LONGEST_TEXT: usize = 200;

/// A failed call: its class, and what the store said, for callers that expect some of these answers.
#[derive(Debug)]
pub struct CallFailure {
    pub error: UploadError,
    pub status: u16,
    pub code: String,
}

impl From<CallFailure> for UploadError {
    fn from(failure: CallFailure) -> Self {
        failure.error
    }
}

impl CallFailure {
    pub fn timeout(action: &'static str, limit: Duration) -> Self {
        Self::local(UploadError::Timeout { action, limit })
    }

    pub fn local(error: UploadError) -> Self {
        Self {
            error,
            status: 0,
            code: String::new(),
        }
    }

    pub fn new<E>(
        action: &'static str,
        bucket: &str,
        clock_ahead: Option<i64>,
        error: SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let raw = service.raw();
                let meta = service.err().meta();
                // The answer was not understood: it was cut short or damaged on the way.
                if raw.status().is_success() && meta.code().is_none() {
                    return Self::local(UploadError::BadAnswer {
                        action,
                        source: SdkError::<E, HttpResponse>::ServiceError(service).into(),
                    });
                }
                Self::answered(&ErrorAnswer {
                    action,
                    bucket,
                    clock_ahead,
                    status: raw.status().as_u16(),
                    code: meta.code().unwrap_or_default(),
                    message: meta.message().unwrap_or_default(),
                    retry_after: raw.headers().get("retry-after"),
                })
            }
            // The answer is not S3: a proxy's page, or a truncated one.
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let retry_after = response
                    .raw()
                    .headers()
                    .get("retry-after")
                    .map(str::to_owned);
                if status >= 400 {
                    return Self::answered(&ErrorAnswer {
                        action,
                        bucket,
                        clock_ahead,
                        status,
                        code: "",
                        message: "the answer is not S3's",
                        retry_after: retry_after.as_deref(),
                    });
                }
                Self::local(UploadError::BadAnswer {
                    action,
                    source: SdkError::<E, HttpResponse>::ResponseError(response).into(),
                })
            }
            other => Self::unanswered(action, other.into()),
        }
    }

    fn unanswered(action: &'static str, source: BoxError) -> Self {
        let error = if chain(&*source).any(is_distrust) {
            UploadError::Tls { action, source }
        } else {
            UploadError::Unreachable { action, source }
        };
        Self::local(error)
    }

    fn answered(answer: &ErrorAnswer<'_>) -> Self {
        Self {
            status: answer.status,
            code: shown(answer.code),
            error: answer.class(),
        }
    }
}

/// The store's answer, as far as the class of the error needs it.
struct ErrorAnswer<'a> {
    action: &'static str,
    bucket: &'a str,
    clock_ahead: Option<i64>,
    status: u16,
    code: &'a str,
    message: &'a str,
    retry_after: Option<&'a str>,
}

impl ErrorAnswer<'_> {
    /// Codes as S3 documents them ("List of error codes"); statuses where a store gives another code or none.
    fn class(&self) -> UploadError {
        let action = self.action;
        let code = || self.code();
        let retry_after = self.retry_after.and_then(seconds);
        match (self.code, self.status) {
            ("RequestTimeTooSkewed", _) => self.skewed(),
            ("SignatureDoesNotMatch" | "AccessDenied" | "RequestExpired", 403)
                if self
                    .clock_ahead
                    .is_some_and(|ahead| ahead.unsigned_abs() > SUSPICIOUS_SKEW) =>
            {
                self.skewed()
            }
            (
                "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidToken"
                | "ExpiredToken"
                | "TokenRefreshRequired"
                | "InvalidSecurity"
                | "MissingSecurityHeader"
                | "NotSignedUp"
                | "UnrecognizedClientException",
                _,
            )
            | (_, 401) => UploadError::Credentials {
                action,
                code: code(),
            },
            ("NoSuchBucket", _) => UploadError::NoBucket {
                bucket: self.bucket.to_owned(),
            },
            ("ObjectLockConfigurationNotFoundError", _) => UploadError::NoObjectLock {
                bucket: self.bucket.to_owned(),
            },
            (
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, 300..=399) => UploadError::WrongRegion {
                action,
                code: code(),
            },
            ("BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch", _) => {
                UploadError::Damaged {
                    action,
                    code: code(),
                }
            }
            ("RequestTimeout" | "IncompleteBody" | "OperationAborted", _) | (_, 408) => {
                UploadError::Server {
                    action,
                    status: self.status,
                    code: code(),
                    retry_after,
                }
            }
            (
                "SlowDown"
                | "ServiceUnavailable"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests",
                _,
            )
            | (_, 429 | 503) => UploadError::Busy {
                action,
                code: code(),
                retry_after,
            },
            ("NotImplemented", _) | (_, 501) => self.refused(),
            // `InternalError` also comes inside an answer of status 200 (Complete).
            ("InternalError", _) | (_, 500..) => UploadError::Server {
                action,
                status: self.status,
                code: code(),
                retry_after,
            },
            (_, 403) => UploadError::Forbidden {
                action,
                code: code(),
            },
            _ => self.refused(),
        }
    }

    fn refused(&self) -> UploadError {
        UploadError::Refused {
            action: self.action,
            status: self.status,
            code: self.code(),
            message: match self.message {
                "" => "it does not say why".into(),
                message => shown(message),
            },
        }
    }

    /// The store's own code, or the status where it gives none.
    fn code(&self) -> String {
        match self.code {
            "" => self.status.to_string(),
            code => shown(code),
        }
    }

    fn skewed(&self) -> UploadError {
        UploadError::ClockSkew {
            action: self.action,
            seconds: self.clock_ahead.unwrap_or(0).saturating_neg(),
        }
    }
}

/// `Retry-After` in seconds; its other form, a date, is not used by S3 stores.
fn seconds(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

/// A store's own words, bounded and without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .take(LONGEST_TEXT)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// True for a certificate that rustls refuses; it comes wrapped in an `io::Error`, which hides it from `source`.
fn is_distrust(cause: &(dyn Error + 'static)) -> bool {
    let tls = cause.downcast_ref::<rustls::Error>().or_else(|| {
        cause
            .downcast_ref::<std::io::Error>()?
            .get_ref()?
            .downcast_ref()
    });
    matches!(
        tls,
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::InvalidCertRevocationList(_)
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Explain as _, RetryClass};

    fn class(status: u16, code: &str, clock_ahead: i64) -> UploadError {
        ErrorAnswer {
            action: "upload part",
            bucket: "evidence",
            clock_ahead: Some(clock_ahead),
            status,
            code,
            message: "",
            retry_after: Some("7"),
        }
        .class()
    }

    #[test]
    fn the_stores_answers_are_told_apart() {
        use RetryClass::{Later, Operator};
        for (status, code, label, retry) in [
            (500, "InternalError", "store_failure", Later),
            (200, "InternalError", "store_failure", Later),
            (502, "", "store_failure", Later),
            (503, "SlowDown", "store_busy", Later),
            (200, "SlowDown", "store_busy", Later),
            (503, "", "store_busy", Later),
            (429, "", "store_busy", Later),
            (400, "RequestTimeout", "store_failure", Later),
            (400, "BadDigest", "store_checksum_refused", Later),
            (403, "InvalidAccessKeyId", "store_credentials", Operator),
            (403, "SignatureDoesNotMatch", "store_credentials", Operator),
            (400, "ExpiredToken", "store_credentials", Operator),
            (401, "", "store_credentials", Operator),
            (403, "AccessDenied", "store_forbidden", Operator),
            (403, "", "store_forbidden", Operator),
            (403, "RequestTimeTooSkewed", "store_clock_skew", Operator),
            (404, "NoSuchBucket", "store_no_bucket", Operator),
            (
                404,
                "ObjectLockConfigurationNotFoundError",
                "store_no_object_lock",
                Operator,
            ),
            (301, "PermanentRedirect", "store_wrong_region", Operator),
            (400, "EntityTooSmall", "store_refused", Operator),
            (501, "NotImplemented", "store_refused", Operator),
        ] {
            let error = class(status, code, 0);
            assert_eq!(
                (error.label(), error.retry_class()),
                (label, retry),
                "{status} {code}"
            );
            assert!(!error.next_step().is_empty());
        }
    }

    #[test]
    fn the_likely_cause_of_a_refusal_is_named() {
        for (status, code, words) in [
            (413, "", "part_size"),
            (501, "", "check --store"),
            (400, "NotImplemented", "check --store"),
            (200, crate::upload::error::NO_ETAG, "ETag"),
        ] {
            let next_step = class(status, code, 0).next_step();
            assert!(next_step.contains(words), "{status} {code}: {next_step}");
        }
    }

    #[test]
    fn a_refused_signature_under_a_wrong_clock_blames_the_clock() {
        let error = class(403, "SignatureDoesNotMatch", 3600);
        assert!(matches!(
            error,
            UploadError::ClockSkew { seconds: -3600, .. }
        ));
        assert_eq!(
            class(403, "AccessDenied", -3600).label(),
            "store_clock_skew"
        );
        assert_eq!(class(403, "AccessDenied", 30).label(), "store_forbidden");
    }

    #[test]
    fn a_store_that_asks_for_time_gets_it() {
        assert_eq!(
            class(503, "SlowDown", 0).retry_after(),
            Some(Duration::from_secs(7))
        );
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
    }

    #[test]
    fn what_a_store_says_is_bounded_and_cannot_forge_a_line() {
        let text = shown(&format!("a\nb\x1b{}", "x".repeat(10_000)));
        assert!(text.starts_with("a?b?x") && text.len() == LONGEST_TEXT);
    }
}
