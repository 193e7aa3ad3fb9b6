//! Results of delegates and prevResult: what we say of one is understood, and said again in the same way.
#![no_main]

use cni::{CniResult, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for version in Version::ALL {
        let Ok(result) = CniResult::from_slice(data, version) else { continue };
        if let Ok(value) = result.to_value(Version::LATEST) {
            let again = CniResult::from_value(&value, Version::LATEST).expect("our own result is understood");
            assert_eq!(again.to_value(Version::LATEST).expect("our own result can be said"), value);
        }
    }
});
