use std::error::Error;

/// What the one central retry loop does with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Passing by itself: try again with back-off.
    Later,
    /// Tried again only after an operator changed something (credentials, bucket, disk).
    Operator,
    /// Will never work for this item: record the reason and go on with the others.
    Never,
}

/// Every room's error says what to do about it: to the retry loop, to the metrics and to the person.
pub trait Explain: Error {
    fn retry_class(&self) -> RetryClass;
    /// A stable, low-cardinality metric label such as `store_unreachable`.
    fn label(&self) -> &'static str;
    /// One sentence, in the imperative, for the person who reads the error.
    fn next_step(&self) -> String;
}
