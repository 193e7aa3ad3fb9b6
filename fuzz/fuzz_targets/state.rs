//! An attachment record as a power cut or a stranger left it: whatever is there, it is judged and not believed.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use state::{BootId, Dirs, Key, Records};

static BASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = std::env::temp_dir().join(format!("railcni-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(base.join("state/attachments/net")).expect("a directory for the record");
    base
});

fuzz_target!(|data: &[u8]| {
    let records =
        Records::open_at_boot(&Dirs::under(&BASE), "macvlan", BootId::new("boot")).expect("records");
    let key = Key::new("net", "cid", "net1").expect("a key");
    std::fs::write(BASE.join("state/attachments/net/cid,macvlan,net1"), data).expect("a record");
    let _ = records.load::<serde_json::Value>(&key);
    assert_eq!(records.list::<serde_json::Value>("net").expect("a listing").len(), 1);
});
