//! The planner against a kernel in memory, which keeps routes in the kernel's order.

mod fake;
mod plan;
mod properties;
mod tables;
