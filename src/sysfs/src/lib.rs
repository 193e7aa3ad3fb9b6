//! PCI, net and infiniband trees of sysfs, below a root that tests replace.
