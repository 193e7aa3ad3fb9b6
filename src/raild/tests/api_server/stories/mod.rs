//! What goes wrong in a cluster, on a real API server, with real processes and real calls of the plugin. The simulation of `grants` has
//! more of it, and all of it at once; here it is the shells that are on trial.

mod bad;
mod leaders;
mod nodes;
mod owners;
mod servers;
