use thiserror::Error;

/// A text that is not the written form of any value of a type.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{text:?} is not {what}")]
pub struct UnknownName {
    pub what: &'static str,
    pub text: String,
}

/// The written form of an enum's values, the same in JSON, in the journal and in metrics.
macro_rules! written_as {
    ($type:ident, $what:literal, $($value:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// Every value with its written form.
            pub const NAMES: &[(Self, &'static str)] = &[$((Self::$value, $name)),+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $name),+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::model::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::NAMES.iter().find(|(_, name)| *name == text);
                found
                    .map(|(value, _)| *value)
                    .ok_or_else(|| $crate::model::UnknownName {
                        what: $what,
                        text: text.chars().take(64).collect(),
                    })
            }
        }
    };
}

pub(crate) use written_as;
