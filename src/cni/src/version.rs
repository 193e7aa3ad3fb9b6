//! Versions of the specification that a config may ask for.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A released version of the specification. The order is that of their release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "a variant is the version that it names")]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

impl Version {
    /// What a plugin advertises, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The form in which results are held in memory.
    pub const LATEST: Self = Self::V1_1_0;

    /// What a config without `cniVersion` means.
    pub const IMPLIED: Self = Self::V0_1_0;

    /// As it stands in JSON, such as `1.1.0`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text names no released version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cniVersion \"{0}\" is not one of 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0")]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    /// Exact membership, as in the reference: `1.0` is no version.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Self::ALL.into_iter().find(|v| v.as_str() == text).ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

/// Any dotted version, known or not, as far as it decides whether a verb exists in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dotted([u32; 3]);

impl From<Version> for Dotted {
    fn from(version: Version) -> Self {
        version.as_str().parse().unwrap_or(Self([0; 3]))
    }
}

impl FromStr for Dotted {
    type Err = UnknownVersion;

    /// One to three numbers; missing ones are zero.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let unknown = || UnknownVersion(text.to_owned());
        let mut numbers = [0; 3];
        for (i, part) in text.split('.').enumerate() {
            *numbers.get_mut(i).ok_or_else(unknown)? = part.parse().map_err(|_| unknown())?;
        }
        Ok(Self(numbers))
    }
}
