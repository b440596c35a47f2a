use std::error::Error;

/// The central retry loop's reaction to an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// A passing error: retry with back-off.
    Later,
    /// Retry only after an operator has changed something (credentials, bucket, disk).
    Operator,
    /// Never retry for this item: record the reason and continue with the others.
    Never,
}

/// Every room's errors explain themselves to the retry loop, the metrics and the person who reads them.
pub trait Explain: Error {
    fn retry_class(&self) -> RetryClass;
    /// A stable, low-cardinality metric label such as `store_unreachable`.
    fn label(&self) -> &'static str;
    /// One sentence, in the imperative, for the person who reads the error.
    fn next_step(&self) -> String;
}
