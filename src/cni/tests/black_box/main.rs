//! The example plugin as a runtime sees it, in processes of its own.

mod delegation;
mod process;
mod stage;
