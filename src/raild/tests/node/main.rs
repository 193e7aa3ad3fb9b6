//! What raild asks on its node, without an API server: kubelet and the container runtime are sockets of the test's, which answer as
//! theirs do, late, or not at all.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod devices;
mod gc;
mod grpc;
mod raild;
