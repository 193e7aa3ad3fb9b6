//! The guest tests, in virtual machines.

use std::process::ExitCode;

fn main() -> ExitCode {
    vm::harness::main()
}
