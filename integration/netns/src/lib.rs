//! Privileged black-box tests of the plugins, one file per plugin below `tests/`, and of all of them together.

pub mod hostile_pod;
pub mod outcome;
pub mod privileges;
pub mod program;
pub mod subjects;
pub mod suite;
pub mod versions;
