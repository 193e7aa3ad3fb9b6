//! `macvlan`: a child link of a master, in the pod.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run_with(&macvlan::Macvlan::new(), rail_ipam::LINKED)
}
