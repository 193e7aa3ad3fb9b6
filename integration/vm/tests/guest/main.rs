//! Tests that run inside a guest. The first module names the configuration that is booted for them.

mod attachment;
mod conformance;
mod eth;
mod hostile_pod;
mod ib;
mod identity;
mod igb;
mod ipoib;
mod many;
mod plain;
mod subject;
mod whole_function;
