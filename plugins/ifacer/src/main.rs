//! `ifacer`: the VLAN or bond that the next plugin in the chain uses as its master.

mod conf;
mod options;
mod plugin;

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&plugin::Ifacer)
}
