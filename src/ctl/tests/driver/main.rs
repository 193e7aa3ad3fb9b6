//! railctl as a runtime: which plugin is called when, and with what.

#[path = "../fake/mod.rs"]
mod fake;

mod chain;
mod gc;
mod people;
