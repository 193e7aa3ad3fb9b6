//! `sriov`: a VF of an Ethernet PF, in the pod.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&sriov::Sriov)
}
