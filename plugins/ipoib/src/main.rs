//! `ipoib`: a child of an IP-over-InfiniBand interface, in the pod.

/// musl's allocator gives every page back at once, which costs more than all the rest of an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    cni::run(&ipoib::Ipoib::new())
}
