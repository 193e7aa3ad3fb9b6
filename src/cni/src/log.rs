//! The log of one call.
