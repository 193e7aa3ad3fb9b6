//! `rdma`: the RDMA device of the interface that the plugin before it in the chain put into the pod.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&rdma::RdmaPlugin)
}
