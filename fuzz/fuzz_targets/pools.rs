//! Pool documents in YAML: each is a pool or a refusal with a name, and none stops the others.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut catalog = ipam::Catalog::default();
    catalog.add_text("fuzz.yaml", text);
    let catalog = catalog.complete();
    catalog.refused().for_each(|error| assert!(!error.to_string().is_empty()));
    catalog.pools().for_each(|pool| assert!(!pool.name.is_empty()));
});
