use crate::root::one_component;
use crate::{Bdf, Device, Error, Root, attribute};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;

/// A PCI function; a [`Device`] otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciFunction {
    root: Root,
    bdf: Bdf,
    device: Device,
}

impl Deref for PciFunction {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl PciFunction {
    pub(crate) fn new(root: Root, bdf: Bdf, device: Device) -> Self {
        Self { root, bdf, device }
    }

    /// Its address.
    pub fn bdf(&self) -> Bdf {
        self.bdf
    }

    /// The PF, if this is a VF.
    pub fn physfn(&self) -> Result<Option<Self>, Error> {
        self.linked_function("physfn")?.map(|pf| self.root.pci(pf)).transpose()
    }

    /// The PF and the number of this VF there, or `None` if it is not a VF.
    pub fn vf(&self) -> Result<Option<(Self, u32)>, Error> {
        let Some(pf) = self.physfn()? else { return Ok(None) };
        let number = match pf.number_by_routing(self.bdf)? {
            Some(number) => Some(number),
            None => pf.vfs()?.into_iter().find_map(|(number, vf)| (vf == self.bdf).then_some(number)),
        };
        let absent = || Error::Absent {
            path: pf.path().join("virtfn*"),
            expected: "a link to the VF that names this PF as its own",
        };
        let number = number.ok_or_else(absent)?;
        Ok(Some((pf, number)))
    }

    /// The number of a VF of this PF by its place on the bus (PCI Express, 9.2.1.2), for which not a hundred links have to be read;
    /// `None` where the link says otherwise.
    fn number_by_routing(&self, vf: Bdf) -> Result<Option<u32>, Error> {
        let read = |name: &str| attribute::optional_number::<u32>(&self.path().join(name));
        let (Some(offset), Some(stride)) = (read("sriov_offset")?, read("sriov_stride")?) else {
            return Ok(None);
        };
        let beyond =
            vf.routing_id().checked_sub(self.bdf.routing_id()).and_then(|far| far.checked_sub(offset));
        // A single VF has no stride.
        let Some(number) = beyond.map(|beyond| beyond.checked_div(stride).unwrap_or_default()) else {
            return Ok(None);
        };
        let linked = self.linked_function(&format!("virtfn{number}"))?;
        Ok((linked == Some(vf)).then_some(number))
    }

    /// The VFs of this PF by number: the N of `virtfnN`, which need not be contiguous.
    pub fn vfs(&self) -> Result<BTreeMap<u32, Bdf>, Error> {
        let mut vfs = BTreeMap::new();
        for name in attribute::names(self.path())? {
            let Some(index) = name.strip_prefix("virtfn").and_then(|number| number.parse().ok()) else {
                continue;
            };
            if let Some(vf) = self.linked_function(&name)? {
                vfs.insert(index, vf);
            }
        }
        Ok(vfs)
    }

    /// How many VFs are enabled; `None` if the function cannot have VFs.
    pub fn sriov_numvfs(&self) -> Result<Option<u32>, Error> {
        attribute::optional_number(&self.path().join("sriov_numvfs"))
    }

    /// How many VFs it can have; `None` if it cannot have any.
    pub fn sriov_totalvfs(&self) -> Result<Option<u32>, Error> {
        attribute::optional_number(&self.path().join("sriov_totalvfs"))
    }

    /// Enables that many VFs. The kernel refuses to go from one number to another but by 0, which removes all.
    pub fn set_sriov_numvfs(&self, count: u32) -> Result<(), Error> {
        attribute::write(&self.path().join("sriov_numvfs"), &count.to_string())
    }

    /// Whether drivers take new VFs by themselves; `None` where that cannot be chosen.
    pub fn sriov_drivers_autoprobe(&self) -> Result<Option<bool>, Error> {
        let number = attribute::optional_number::<u8>(&self.path().join("sriov_drivers_autoprobe"))?;
        Ok(number.map(|number| number != 0))
    }

    /// Has drivers take new VFs by themselves, or not.
    pub fn set_sriov_drivers_autoprobe(&self, on: bool) -> Result<(), Error> {
        attribute::write(&self.path().join("sriov_drivers_autoprobe"), if on { "1" } else { "0" })
    }

    /// Names of its devices on the auxiliary bus, such as `mlx5_core.sf.4`.
    pub fn auxiliary(&self) -> Result<Vec<String>, Error> {
        let mut names = attribute::names(self.path())?;
        let is_auxiliary = |name: &String| {
            let subsystem = attribute::link_name(&self.path().join(name).join("subsystem"));
            subsystem.is_ok_and(|bus| bus.as_deref() == Some("auxiliary"))
        };
        names.retain(is_auxiliary);
        Ok(names)
    }

    /// The only driver that may have the function, if one was named.
    pub fn driver_override(&self) -> Result<Option<String>, Error> {
        let text = attribute::optional(&self.path().join("driver_override"))?;
        Ok(text.filter(|driver| driver != "(null)"))
    }

    /// Names it, or none: a bare newline clears it (`driver_set_override` in drivers/base/driver.c).
    pub fn set_driver_override(&self, driver: Option<&str>) -> Result<(), Error> {
        let driver = driver.map_or(Ok(""), |driver| one_component(driver, "driver"))?;
        attribute::write(&self.path().join("driver_override"), &format!("{driver}\n"))
    }

    /// Takes the function from its driver; nothing to do if it has none.
    pub fn unbind(&self) -> Result<(), Error> {
        if self.driver()?.is_none() {
            return Ok(());
        }
        attribute::write(&self.path().join("driver/unbind"), &self.bdf.to_string())
    }

    /// Gives the function to `driver`, taking it from another one first; nothing to do if it has it already.
    ///
    /// A driver that does not know such functions (vfio-pci) answers ENODEV (`bind_store` in drivers/base/bus.c), and gets it by
    /// `driver_override`, which becomes what it was. Any other gets it without. Whoever may be killed on the way writes
    /// down the override before, for [`PciFunction::set_driver_override`].
    pub fn bind(&self, driver: &str) -> Result<(), Error> {
        let driver = one_component(driver, "driver")?;
        if self.driver()?.as_deref() == Some(driver) {
            return Ok(());
        }
        let directory = self.driver_directory(driver)?;
        let bind = || attribute::write(&directory.join("bind"), &self.bdf.to_string());
        self.unbind()?;
        match bind() {
            Err(error) if error.is_no_device() => {
                let before = self.driver_override()?;
                self.set_driver_override(Some(driver))?;
                let bound = bind();
                self.set_driver_override(before.as_deref())?;
                bound?;
            }
            bound => bound?,
        }
        self.expect_driver(driver)
    }

    /// A driver that is not loaded is an error before anything has changed.
    fn driver_directory(&self, driver: &str) -> Result<PathBuf, Error> {
        let path = self.root.join("bus/pci/drivers").join(driver);
        if path.is_dir() {
            return Ok(path);
        }
        Err(Error::Absent { path, expected: "a loaded PCI driver" })
    }

    fn expect_driver(&self, wanted: &str) -> Result<(), Error> {
        let found = self.driver()?;
        if found.as_deref() == Some(wanted) {
            return Ok(());
        }
        Err(Error::Driver { path: self.path().into(), found, wanted: wanted.into() })
    }

    fn linked_function(&self, link: &str) -> Result<Option<Bdf>, Error> {
        let path = self.path().join(link);
        let Some(value) = attribute::link_name(&path)? else { return Ok(None) };
        let bdf =
            value.parse().map_err(|_| Error::Content { path, value, expected: "a link to a PCI function" });
        bdf.map(Some)
    }
}
