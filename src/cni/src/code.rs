//! Error codes of the specification, section "Error", and the two that only the reference implementation uses.

/// Nothing better is known, also what a runtime reports for output that is not JSON.
pub const UNKNOWN: u32 = 0;
/// The `cniVersion` of the config is not supported, or does not have this verb.
pub const INCOMPATIBLE_VERSION: u32 = 1;
/// A config field, or its value, is understood but not supported.
pub const UNSUPPORTED_FIELD: u32 = 2;
/// The container does not exist; the runtime need not clean up.
pub const UNKNOWN_CONTAINER: u32 = 3;
/// A necessary environment variable is missing or invalid.
pub const INVALID_ENV: u32 = 4;
/// Reading stdin, or another input or output, failed.
pub const IO: u32 = 5;
/// What was read is not JSON of the expected form.
pub const DECODE: u32 = 6;
/// The network config is JSON, but not valid.
pub const INVALID_CONFIG: u32 = 7;
/// `CNI_NETNS` cannot be used (reference implementation).
pub const INVALID_NETNS: u32 = 8;
/// A transient condition; the same call may succeed later.
pub const TRY_AGAIN: u32 = 11;
/// STATUS: the plugin cannot serve ADD.
pub const NOT_AVAILABLE: u32 = 50;
/// STATUS: as 50, and existing containers may have limited connectivity.
pub const LIMITED_CONNECTIVITY: u32 = 51;
/// Any failure without a better code (reference implementation).
pub const INTERNAL: u32 = 999;
