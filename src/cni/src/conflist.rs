//! Network config lists, as a driver reads them.
