//! `ib-sriov`: a VF of an InfiniBand PF, in the pod, with its RDMA device if wished.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&ib_sriov::IbSriov)
}
