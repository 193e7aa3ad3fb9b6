//! A program for XDP, as an object that `ip` can load.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = ".section xdp,\"ax\",@progbits\n.globl pass\n.type pass,@function\npass:\n\
                      .quad 0x00000002000000b7, 0x0000000000000095\n.size pass, . - pass\n";
/// `EM_BPF`, and where `e_machine` is in an ELF file.
const MACHINE: ([u8; 2], u64) = ([247, 0], 18);

/// One that passes every packet. Made once in a process, by the compiler that everything here is linked with.
#[track_caller]
pub fn passes_everything() -> &'static [u8] {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("railcni-xdp-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let object = made_in(&folder);
        fs::remove_dir_all(&folder).expect("the folder goes");
        object
    })
}

#[expect(clippy::disallowed_methods, reason = "nobody reads it while it is written")]
fn made_in(folder: &Path) -> Vec<u8> {
    let (source, object) = (folder.join("pass.s"), folder.join("pass.o"));
    fs::write(&source, SOURCE).expect("the source");
    done(Command::new("gcc").arg("-c").arg("-o").arg(&object).arg(&source));
    done(Command::new("objcopy").args(["-R", ".text", "-R", ".data", "-R", ".bss"]).arg(&object));
    let file = File::options().write(true).open(&object).expect("the object");
    file.write_all_at(&MACHINE.0, MACHINE.1).expect("written");
    fs::read(&object).expect("the object")
}

#[track_caller]
fn done(command: &mut Command) {
    let status = command.status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}
