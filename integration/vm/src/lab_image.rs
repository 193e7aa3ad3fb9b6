//! Everything a boot needs, fetched and built: QEMU, kernel, initramfs.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use crate::apt::Suite;
use crate::cache::Cache;
use crate::kernel::Kernel;
use crate::machine::{agent, end_of, spawn};
use crate::qemu::{self, Qemu};
use crate::{engines, hca, initramfs};

/// One CPU each: a test is one process after another, and where the machine has more CPUs, more guests run. Two virtual
/// CPUs on a busy machine spend more time on waiting for each other than on work.
const CPUS: u32 = 1;
/// Without what costs an emulated CPU time and gains it nothing: string instructions that are done byte by byte where the kernel
/// would go by words (erms, fsrm), and protections at each entry to the kernel or each access to user memory.
const EMULATED: &str = "max,la57=off,erms=off,fsrm=off,smap=off,smep=off,umip=off,pku=off";
/// Without what Debian's kernel does to be hardened: zeroed pages, audited calls and the like cost a short process more than its work.
const UNHARDENED: &str = "mitigations=off init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off audit=0 lsm=capability \
                          cgroup_disable=memory transparent_hugepage=never";
/// Whoever deletes a link or a namespace waits for a grace period.
const GRACE: &str =
    "rcupdate.rcu_expedited=1 rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_next_fqs=1";
const MEMORY_MIB: u32 = 2048;
const PROBE_LIMIT: Duration = Duration::from_secs(15);

/// A guest that is ready to boot.
#[derive(Debug)]
pub struct Image {
    pub(crate) qemu: Qemu,
    kernel: Kernel,
    initramfs: PathBuf,
    cache: Cache,
    kvm: bool,
}

impl Image {
    /// Fetches and builds what is missing. Without anything missing, no network is needed.
    pub fn prepare(suite: Suite) -> Result<Self> {
        let cache = Cache::open()?;
        let busybox = qemu::busybox(&cache)?;
        let qemu = Qemu::fetch(&cache)?;
        let kernel = Kernel::fetch(&cache, suite, &busybox)?;
        let initramfs = initramfs::build(&cache, &kernel, &busybox)?;
        engines::fetch(&cache)?;
        let mut image = Self { qemu, kernel, initramfs, cache, kvm: false };
        image.kvm = qemu::kvm_works(&image.cache, &image.kernel.version, || image.boots_with_kvm())?;
        Ok(image)
    }

    /// The HCA's module for this kernel.
    pub fn module(&self) -> Result<PathBuf> {
        hca::build(&self.cache, &self.kernel)
    }

    /// One line for the log: QEMU, accelerator, kernel.
    pub fn describe(&self) -> Result<String> {
        let accelerator = if self.kvm { "KVM" } else { "TCG" };
        Ok(format!("{}, {accelerator}, Linux {}", qemu::version(&self.qemu)?, self.kernel.version))
    }

    pub(crate) fn arguments(&self, console: i32, socket: i32) -> Vec<String> {
        let (image, initramfs) = (&self.kernel.image, &self.initramfs);
        let (accel, cpu) = if self.kvm { ("kvm", "host") } else { ("tcg,thread=multi", EMULATED) };
        let line = format!(
            "-nodefaults -no-user-config -display none -no-reboot -machine q35 -smp {CPUS} -m {MEMORY_MIB} \
             -accel {accel} -cpu {cpu} -kernel {} -initrd {} \
             -chardev file,id=console,path=/proc/self/fd/{console} -serial chardev:console -device virtio-serial-pci \
             -chardev socket,id=agent,fd={socket} -device virtserialport,chardev=agent,name=lab.agent \
             -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            image.display(),
            initramfs.display(),
        );
        line.split(' ').map(str::to_owned).collect()
    }

    pub(crate) fn command_line(&self) -> Result<String> {
        // A guest on a busy machine looks stalled to its own watchdogs; a real hang meets the deadline.
        let base = "console=ttyS0 loglevel=4 panic=-1 oops=panic random.trust_cpu=on no_timer_check tsc=reliable \
                    intel_iommu=on iommu=pt rcupdate.rcu_cpu_stall_suppress=1 nowatchdog";
        let (agent, modules) = (agent()?, self.kernel.modules());
        let modules = modules.parent().unwrap_or(&modules);
        Ok(format!(
            "{base} {UNHARDENED} {GRACE} LAB_AGENT={} LAB_MODULES={}",
            agent.display(),
            modules.display()
        ))
    }

    /// Boots as far as the first program; `/dev/kvm` may exist and still not get there.
    fn boots_with_kvm(&self) -> bool {
        let image = Self { kvm: true, ..self.clone_parts() };
        image.probe().unwrap_or(false)
    }

    fn clone_parts(&self) -> Self {
        let (qemu, kernel, initramfs) = (self.qemu.clone(), self.kernel.clone(), self.initramfs.clone());
        Self { qemu, kernel, initramfs, cache: self.cache.clone(), kvm: false }
    }

    fn probe(&self) -> Result<bool> {
        let console = tempfile::tempfile()?;
        let (mut ours, theirs) = UnixStream::pair()?;
        let mut command = self.qemu.command(Some(&["setpriv", "--pdeathsig", "KILL"]));
        command
            .args(self.arguments(console.as_raw_fd(), theirs.as_raw_fd()))
            .args(["-append", "console=ttyS0 panic=-1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = spawn(&mut command, theirs.into(), &console)?;
        ours.set_read_timeout(Some(PROBE_LIMIT))?;
        // QEMU's end closes the socket; until then nothing is said on it.
        let ended = ours.read(&mut [0]).is_ok();
        let _ = child.kill();
        child.wait()?;
        Ok(ended && end_of(&console).contains("lab: boots"))
    }
}
