//! The example plugin as a runtime sees it, in processes of its own.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod delegation;
mod process;
mod stage;
