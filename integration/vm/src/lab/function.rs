//! PCI functions of the rails.

use std::fs;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file;
use crate::lab::{Knob, VfAttributes, ip, until};

const DRIVERS: [&str; 2] = ["lab_hca", "igb"];
/// The slowest a netdev appears under TCG without a knob that delays it.
const SOON: Duration = Duration::from_secs(10);

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    bdf: String,
}

impl Function {
    /// The function at a PCI address, present or not.
    pub(crate) fn at(bdf: &str) -> Self {
        Self { bdf: bdf.to_owned() }
    }

    /// The PF at this VF's end of `physfn`, or the function itself.
    pub(crate) fn pf(&self) -> Pf {
        let link = fs::read_link(self.sysfs().join("physfn")).ok();
        let parent =
            link.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Pf(Self { bdf: parent.unwrap_or_else(|| self.bdf.clone()) })
    }

    /// True for a VF that is there.
    pub(crate) fn is_vf(&self) -> bool {
        self.sysfs().join("physfn").exists()
    }

    /// As `0000:01:10.0`.
    pub fn bdf(&self) -> &str {
        &self.bdf
    }

    /// Its directory in sysfs.
    pub fn sysfs(&self) -> PathBuf {
        Path::new("/sys/bus/pci/devices").join(&self.bdf)
    }

    /// Its netdev, where that is in the host's namespace.
    pub fn netdev(&self) -> Option<String> {
        entries(&self.sysfs().join("net")).into_iter().next()
    }

    /// Its netdev in the host's namespace, awaited.
    #[track_caller]
    pub fn ifname(&self) -> String {
        until(SOON, &format!("a netdev of {} in the host's namespace", self.bdf), || self.netdev().is_some());
        self.netdev().unwrap_or_default()
    }

    /// Its RDMA devices that the host's namespace can see, sorted.
    pub fn rdma(&self) -> Vec<String> {
        entries(&self.sysfs().join("infiniband"))
    }

    /// Name of the driver it is bound to.
    pub fn driver(&self) -> Option<String> {
        let link = fs::read_link(self.sysfs().join("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// Unbinds its driver, and binds it again.
    #[track_caller]
    pub fn rebind(&self) {
        let driver = self.driver().unwrap_or_else(|| panic!("{} has no driver", self.bdf));
        self.unbind();
        self.bind(&driver);
    }

    /// Unbinds its driver.
    #[track_caller]
    pub fn unbind(&self) {
        self.write("driver/unbind", &self.bdf);
    }

    /// Binds `driver`.
    #[track_caller]
    pub fn bind(&self, driver: &str) {
        let path = Path::new("/sys/bus/pci/drivers").join(driver).join("bind");
        file::set(&path, &self.bdf).unwrap_or_else(|error| panic!("bind {} to {driver}: {error}", self.bdf));
    }

    /// Sets a counter of the emulated HCA, as `port_xmit_data` or `out_of_sequence`.
    #[track_caller]
    pub fn set_counter(&self, name: &str, value: u64) {
        Knob::new(&self.bdf, &format!("counters/{name}")).write(value);
    }

    #[track_caller]
    fn write(&self, attribute: &str, value: &str) {
        let path = self.sysfs().join(attribute);
        file::set(&path, value)
            .unwrap_or_else(|error| panic!("write {value} to {}: {error}", path.display()));
    }
}

/// A physical function: one rail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pf(Function);

impl Deref for Pf {
    type Target = Function;
    fn deref(&self) -> &Function {
        &self.0
    }
}

impl Pf {
    /// Enables `count` VFs (0 disables them).
    pub fn set_numvfs(&self, count: u32) -> io::Result<()> {
        file::set(&self.sysfs().join("sriov_numvfs"), &count.to_string())
    }

    /// Its VFs in the order of their index.
    pub fn vfs(&self) -> Vec<Vf> {
        let function = |index| {
            let link = fs::read_link(self.sysfs().join(format!("virtfn{index}"))).ok()?;
            let bdf = link.file_name()?.to_string_lossy().into_owned();
            Some(Vf { function: Function { bdf }, pf: self.clone(), index })
        };
        (0..).map_while(function).collect()
    }

    /// A knob of the emulated HCA, as `mac_errno`; `hca/README.md` lists them.
    pub fn knob(&self, name: &str) -> Knob {
        Knob::new(self.bdf(), name)
    }

    /// True for a PF that is on the bus, bound or not.
    pub(crate) fn is_present(&self) -> bool {
        self.sysfs().join("sriov_numvfs").exists()
    }

    /// Sets knobs, counters and VF attributes of the emulated HCA back; igb has no such thing.
    pub(crate) fn reset(&self) {
        if self.driver().as_deref() == Some("lab_hca") {
            self.knob("reset").write(1);
        }
    }

    /// Sets VF attributes by `ip link set dev PF vf INDEX ...`.
    #[track_caller]
    pub fn set_vf(&self, index: usize, attributes: &str) {
        ip(&format!("link set dev {} vf {index} {attributes}", self.ifname()));
    }
}

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vf {
    function: Function,
    pf: Pf,
    index: usize,
}

impl Deref for Vf {
    type Target = Function;
    fn deref(&self) -> &Function {
        &self.function
    }
}

impl Vf {
    /// The PF it belongs to.
    pub fn pf(&self) -> &Pf {
        &self.pf
    }

    /// Its index on the PF.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its attributes as the PF reports them.
    #[track_caller]
    pub fn attributes(&self) -> VfAttributes {
        VfAttributes::read(&self.pf.ifname(), self.index)
    }

    /// Sets its attributes by `ip link set dev PF vf INDEX ...`.
    #[track_caller]
    pub fn set(&self, attributes: &str) {
        self.pf.set_vf(self.index, attributes);
    }
}

/// The PFs in the order of their PCI addresses.
pub fn pfs() -> Vec<Pf> {
    let bound = DRIVERS.iter().flat_map(|driver| entries(&Path::new("/sys/bus/pci/drivers").join(driver)));
    let functions = bound.map(|bdf| Pf(Function { bdf }));
    functions.filter(Pf::is_present).collect()
}

/// The PF of a rail, counted from 0.
#[track_caller]
pub fn pf(rail: usize) -> Pf {
    let all = pfs();
    all.get(rail).cloned().unwrap_or_else(|| panic!("this boot has {} rails, no rail {rail}", all.len()))
}

/// A VF by rail and index, both counted from 0.
#[track_caller]
pub fn vf(rail: usize, index: usize) -> Vf {
    let all = pf(rail).vfs();
    all.get(index).cloned().unwrap_or_else(|| panic!("rail {rail} has {} VFs, no VF {index}", all.len()))
}

/// Sorted names in a directory; none when it is absent.
fn entries(dir: &Path) -> Vec<String> {
    let found = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = found.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
