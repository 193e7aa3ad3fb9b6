//! What the interface of a PCI function is called.

use netlink::LinkChange;

use super::Kernel;
use crate::Error;
use crate::key::Value;

impl Kernel {
    /// `None` where there is no such function, or it has no interface.
    pub(super) fn name_at(&mut self, pci: &str) -> Result<Option<Value>, Error> {
        Ok(self.interface_at(pci)?.map(Value::Text))
    }

    /// The interface of the function itself, in this namespace.
    pub(super) fn interface_at(&self, pci: &str) -> Result<Option<String>, Error> {
        let Ok(address) = pci.parse() else { return Ok(None) };
        let function = match self.sysfs().pci(address) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        Ok(function.netdev()?.map(|netdev| netdev.name().to_owned()))
    }

    /// A link that is up is not put down for it: it would lose routes that are not ours.
    pub(super) fn rename(&mut self, pci: &str, value: &Value) -> Result<(), Error> {
        let (Value::Text(name), Some(now)) = (value, self.interface_at(pci)?) else { return Ok(()) };
        let index = self.existing(&now)?.index;
        match self.route.set_link(index, &LinkChange { name: Some(name.clone()), ..LinkChange::default() }) {
            Err(error) if error.is_busy() => Err(Error::NameOfLinkThatIsUp { link: now, name: name.clone() }),
            renamed => Ok(renamed?),
        }
    }
}
