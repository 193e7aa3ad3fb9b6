//! `rail-ipam`, and Spiderpool's IPAM when it is installed as `spiderpool`: the config says what is wanted, not the name.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&rail_ipam::RailIpam::new())
}
