//! Keeps unwinder and symbolizer (libunwind, gimli, addr2line, `miniz_oxide`), a tenth of every plugin, out of binaries in which
//! they could find nothing.
//!
//! The standard library's own panic hook can print a backtrace. Our hook replaces it and prints a CNI error, a panic ends
//! the process, and `scripts/no-unwind-tables.ld` throws away what a stack is unwound by; but the code stays, as it is
//! reached through the callback that `std` hands to the unwinder. With an unwinder that never calls it back, the optimiser
//! sees that nobody needs it. Other builds, such as those of tests, keep their backtraces.

#![no_std]
#![cfg(no_unwind_tables)]
#![expect(
    unsafe_code,
    reason = "the names are the unwinder's; nothing in here is unsafe, and arguments are not used"
)]

/// `_URC_END_OF_STACK` (Itanium C++ ABI: Exception Handling, level I): there is no frame to visit.
const END_OF_STACK: usize = 5;

/// What `std` links against; all but the first are about a frame, which nobody ever has.
macro_rules! unwinder {
    ($($name:ident -> $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> usize {
            $value
        }
    )*};
}

unwinder! {
    _Unwind_Backtrace -> END_OF_STACK;
    _Unwind_FindEnclosingFunction -> 0;
    _Unwind_GetCFA -> 0;
    _Unwind_GetDataRelBase -> 0;
    _Unwind_GetIP -> 0;
    _Unwind_GetIPInfo -> 0;
    _Unwind_GetLanguageSpecificData -> 0;
    _Unwind_GetRegionStart -> 0;
    _Unwind_GetTextRelBase -> 0;
    _Unwind_Resume -> 0;
    _Unwind_SetGR -> 0;
    _Unwind_SetIP -> 0;
}
