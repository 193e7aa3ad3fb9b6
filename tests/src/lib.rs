//! Nothing but tests: what a runtime sees of processes, in directories of their own and without privileges.
