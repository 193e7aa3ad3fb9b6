//! Addresses that others have and gateways that do not answer, as `detection` finds them: the switch plays the others.

#[path = "detection/conflict.rs"]
mod conflict;
#[path = "detection/eight.rs"]
mod eight;
#[path = "detection/gateway.rs"]
mod gateway;
#[path = "detection/killed.rs"]
mod killed;
#[path = "detection/stage.rs"]
mod stage;
