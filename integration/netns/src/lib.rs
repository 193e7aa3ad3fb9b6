//! Privileged black-box tests of the plugins, one file per plugin below `tests/`.
