//! Running a plugin binary, for delegation and for drivers.
