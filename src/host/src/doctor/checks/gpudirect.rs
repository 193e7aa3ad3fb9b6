//! NICs read and write the memory of GPUs by themselves: by peer memory, or by dma-buf.

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::Sight;
use crate::roce::Roce;

/// Where the kernel has dma-buf for RDMA.
const DMA_BUF: (u32, u32) = (5, 12);

pub(super) fn peer_memory(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    if sight.gpus.is_empty() {
        return Vec::new();
    }
    let found = |value: &str, source: &str| {
        Finding::good(Check::GpuDirect, &format!("{} GPUs", sight.gpus.len()), value, source)
    };
    let registered = "/sys/kernel/mm/memory_peers/{nv_mem,nv_mem_nc}/version";
    vec![match (sight.memory_peers, sight.peermem, has_dma_buf(sight)) {
        (true, ..) => found("peer memory is registered", registered),
        (_, _, true) => found("dma-buf: open kernel modules, and a kernel that has it", "/proc/driver/nvidia/version, /proc/sys/kernel/osrelease"),
        (_, true, _) => found("nvidia_peermem is loaded, and not registered", registered).bad(
            Level::Warning,
            "registered with the RDMA core of the NIC's driver",
            "modprobe -r nvidia_peermem && modprobe nvidia_peermem, after the NIC's driver; it has to be built for that driver",
        ),
        _ => found("neither peer memory nor dma-buf", "/sys/module/nvidia_peermem, /proc/driver/nvidia/version").bad(
            Level::Warning,
            "one of both, or all goes through the memory of the host",
            "modprobe nvidia_peermem, or install NVIDIA's open kernel modules on Linux 5.12 or later",
        ),
    }]
}

fn has_dma_buf(sight: &Sight) -> bool {
    let mut numbers = sight.release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= DMA_BUF
        && sight.nvidia_version.as_ref().is_some_and(|version| version.contains("Open Kernel Module"))
}
